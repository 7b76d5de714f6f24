"""No page of another origin can read or change the mock's control plane: tried from headless Chromium.

    python3 tests/browser/control_plane.py QUOTALAB [CHROMIUM]

A page tries every route with scripts, forms and elements, from three origins: another port of the mock's own address, of
`localhost`, and of a domain that resolves to the mock (DNS rebinding). Then the browser opens every route of that domain at
the mock's own port, where such a page would be of the same origin. Before and after, a program asks the mock for its state. A
program must be able to change it, so that the test would notice a mock whose control plane is off. Needs the standard library
only.
"""

import http.server
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

ROUTES = ["/_quotalab/", "/_quotalab/state", "/_quotalab/requests", "/_quotalab/verdict", "/_quotalab/clock",
          "/_quotalab/faults", "/_quotalab/answers", "/_quotalab/settings", "/metrics"]
CHANGES = [("/_quotalab/reset", {}), ("/_quotalab/clock", {"advance": "1h"}), ("/_quotalab/faults", {"fault": "503"}),
           ("/_quotalab/limits", {"rpm": 0}), ("/_quotalab/answers", {"text": "x"}), ("/_quotalab/settings", {"speed": 0})]

# Collects what the page could read into the element `read`; the elements at the end load in their own ways.
PAGE = """<!doctype html><title>page</title><pre id=read></pre><pre id=done></pre><script>
const base = "BASE", routes = ROUTES, changes = CHANGES, read = document.getElementById("read");
const note = text => read.append(text + "\\n");
const types = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json", ""];
async function attempt(name, url, options) {
  try {
    const response = await fetch(url, options), body = await response.text();
    if (response.ok && response.type !== "opaque") note(name + " read " + body.slice(0, 80));
  } catch (error) { }
}
function element(tag, attributes) {
  return new Promise(resolve => {
    const it = Object.assign(document.createElement(tag), attributes);
    it.onload = () => { if (tag !== "iframe") note(tag + " loaded " + (attributes.src || attributes.href)); resolve(); };
    it.onerror = resolve;
    setTimeout(resolve, 1000);
    document.body.append(it);
  });
}
function submit(url, enctype, name, value) {
  const form = Object.assign(document.createElement("form"), {action: url, method: "post", enctype, target: "frame"});
  form.append(Object.assign(document.createElement("input"), {name, value}));
  document.body.append(form);
  form.submit();
  return new Promise(resolve => setTimeout(resolve, 150));
}
async function all() {
  document.body.append(Object.assign(document.createElement("iframe"), {name: "frame"}));
  for (const route of routes)
    for (const mode of ["cors", "no-cors", "same-origin"])
      for (const method of ["GET", "HEAD"]) await attempt(mode + " " + route, base + route, {mode, method});
  for (const [route, body] of changes) {
    const text = JSON.stringify(body);
    for (const mode of ["cors", "no-cors"]) for (const type of types)
      await attempt(mode + " " + type + " " + route, base + route,
                    {mode, method: "POST", headers: type ? {"content-type": type} : {}, body: text});
    for (const credentials of ["include", "omit"])
      await attempt("header " + route, base + route, {method: "POST", credentials, headers: {"x-quotalab": "1"}, body: text});
    navigator.sendBeacon(base + route, text);
    navigator.sendBeacon(base + route, new Blob([text], {type: "application/json"}));
    // A form can send text that is JSON: the name is its begin, the value its end.
    await submit(base + route, "text/plain", text.slice(0, -1) + (text === "{}" ? '"x":"' : ',"x":"'), '"}');
    await submit(base + route, "application/x-www-form-urlencoded", text, "");
    await submit(base + route, "multipart/form-data", "body", text);
  }
  for (const route of ["/_quotalab/faults", "/_quotalab/answers"])
    for (const mode of ["cors", "no-cors"]) await attempt("delete", base + route, {method: "DELETE", mode});
  for (const route of routes) {
    await element("img", {src: base + route});
    await element("script", {src: base + route});
    await element("link", {rel: "stylesheet", href: base + route});
    const frame = Object.assign(document.createElement("iframe"), {src: base + route});
    document.body.append(frame);
    await new Promise(resolve => setTimeout(resolve, 200));
    try { const text = frame.contentDocument.body.innerText; if (text && !/"error"/.test(text)) note("iframe read " + text.slice(0, 80)); }
    catch (error) { }
  }
  document.getElementById("done").append("done");
}
all();
</script>"""


def ask(base, path, body=None, method=None):
    """Sends a request as a program does, and returns the text of the response."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, {"content-type": "application/json"}, method=method)
    return urllib.request.urlopen(request, timeout=10).read().decode()


def changeable(base):
    """Returns what a page could change: the clock in seconds, the names of the faults, the number of requests in the journal,
    and the answers, the settings and the levels together."""
    faults = json.loads(ask(base, "/_quotalab/faults"))["faults"]
    requests = json.loads(ask(base, "/_quotalab/verdict"))["requests"]
    others = [json.loads(ask(base, "/_quotalab/" + route)) for route in ("answers", "settings")]
    others.append(json.loads(ask(base, "/_quotalab/state"))["accounts"])
    return json.loads(ask(base, "/_quotalab/clock"))["now_s"], [fault["fault"] for fault in faults], requests, others


class Page(http.server.BaseHTTPRequestHandler):
    base = ""

    def do_GET(self):
        text = PAGE.replace("BASE", self.base).replace("ROUTES", json.dumps(ROUTES)).replace("CHANGES", json.dumps(CHANGES))
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def dump(chromium, url, *options):
    """Returns the document of a page in headless Chromium after its scripts have run."""
    with tempfile.TemporaryDirectory() as profile:
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync",
                   f"--user-data-dir={profile}", "--virtual-time-budget=120000", *options, "--dump-dom", url]
        return subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout


def main():
    quotalab = sys.argv[1]
    chromium = sys.argv[2] if len(sys.argv) > 2 else shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("no chromium")
    mock = subprocess.Popen([quotalab, "mock", "--preset", "groq-free", "--listen", "127.0.0.1:0"],
                            stdout=subprocess.PIPE, text=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = re.search(r"http://[0-9.:]+", mock.stdout.readline()).group()
        port = base.rsplit(":", 1)[1]
        ask(base, "/_quotalab/clock", {"advance": "10s"})
        ask(base, "/_quotalab/faults", {"fault": "500", "next": 7})
        try:
            ask(base, "/openai/v1/models")
        except urllib.error.HTTPError:
            pass  # The request has no key. It adds an entry to the journal, which a reset would remove.
        ask(base, "/_quotalab/answers", {"text": "kept"})
        before = changeable(base)
        rebound = f"http://rebound.example:{port}"
        rules = "--host-resolver-rules=MAP rebound.example 127.0.0.1"
        page_port = server.server_address[1]
        for origin, target in [("127.0.0.1", base), ("localhost", base), ("localhost", f"http://localhost:{port}"),
                               ("rebound.example", rebound)]:
            Page.base = target
            document = dump(chromium, f"http://{origin}:{page_port}/", rules)
            assert '<pre id="done">done</pre>' in document, f"the page of {origin} did not end: {document[-2000:]}"
            read = re.search(r'<pre id="read">(.*?)</pre>', document, re.S).group(1)
            assert not read, f"a page of {origin} read {target}:\n{read}"
        # Rebinding: a document of the domain that resolves to the mock, which the browser takes for the mock's own page.
        for route in ROUTES:
            document = dump(chromium, rebound + route, rules)
            assert "is neither an IP address nor" in document, f"{rebound}{route} answered {document[:500]}"
        after = changeable(base)
        # Chromium asks for the icon of each rebound document, which the journal has as a request of the dialect.
        assert after[1] == before[1] == ["500"] and after[2] >= before[2] == 1, f"changed: {before} became {after}"
        assert after[3] == before[3], f"changed: {before} became {after}"
        assert after[0] - before[0] < 1800, f"the clock was advanced: {before} became {after}"
        print(f"4 pages and {len(ROUTES)} rebound documents read and changed nothing")
    finally:
        mock.terminate()
        server.shutdown()


if __name__ == "__main__":
    main()
