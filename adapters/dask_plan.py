"""Makes a plan on the workers of a Dask cluster: every worker process runs the binary on its share of each round.

    python adapters/dask_plan.py --shards 16 scenarios/11-launch-day.yaml --parts parts --out out/plan
    python adapters/dask_plan.py --scheduler tcp://host:8786 --shards 64 …     # a cluster that is already there

The folder of the parts must be the same for all workers. A share whose worker is lost is made again by another one.
Arguments that are not listed by --help are passed to `quotalab plan`.
"""

import argparse
import subprocess
import sys

from distributed import Client, LocalCluster

ANOTHER_ROUND = 4  # the exit code of a merge after which the shards have to be run again


def make_share(command: list[str], shard: str, parts: str) -> str:
    subprocess.run([*command, "--shard", shard, "--out", parts, "--quiet"], check=True)
    return shard


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario")
    parser.add_argument("--parts", required=True, help="the folder of the parts, which all workers can write")
    parser.add_argument("--out", required=True, help="the folder of the plan")
    parser.add_argument("--shards", type=int, default=4, help="the number of shares of a round")
    parser.add_argument("--scheduler", help="the address of a cluster; without it, four workers are started here")
    parser.add_argument("--binary", default="quotalab")
    options, rest = parser.parse_known_args()
    command = [options.binary, "plan", options.scenario, "--yes", *rest]
    cluster = options.scheduler or LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=None)
    with Client(cluster) as client:
        while True:
            shards = [f"{index}/{options.shards}" for index in range(options.shards)]
            jobs = [client.submit(make_share, command, shard, options.parts, pure=False, retries=2) for shard in shards]
            client.gather(jobs)
            code = subprocess.run([*command, "--merge", options.parts, "--out", options.out]).returncode
            if code != ANOTHER_ROUND:
                return code


if __name__ == "__main__":
    sys.exit(main())
