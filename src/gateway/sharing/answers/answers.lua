-- One cached answer that several gateways share, or the secret from which they compute the keys of answers.
--
-- KEYS  1 the key of an answer, or that of the secret
-- ARGV  1 what to do: agree, look_up, store or forget
--       2 the time in milliseconds since 1970; empty for that of the server, as always outside tests
--       3 agree: the secret that this replica proposes; look_up: the most bytes that it reads; store, forget: when the answer was
--         stored, or when the request that drops earlier ones arrived, in milliseconds since 1970
--       4 5 store: when its time to live is over, in milliseconds since 1970; the value
--
-- A value begins with `quotalab-answer-1`, a space, the time at which the answer was stored, in 16 digits, and a space: `value.rs` writes
-- and reads it. If no more follows, the earlier answers were dropped at that time: for a minute none of them is stored.
-- Returns a whole number, the time in milliseconds, and a text:
--   agree: 1, and the secret; 3, and an error, if it could not be written
--   look_up: 0 if there is no answer; 1, and the value; 2 if there is something else, or more bytes
--   store: 1 if it was stored; 0 if its time is over, or a later answer is there; 3, and an error, if it could not be written
--   forget: 1 if something was there and was dropped; 0 if there was no answer, or only one that was clearly stored later

local BEGINNING_BYTES = 35
local FORGOTTEN_MS = 60000
-- By how much the clocks of two replicas may differ, as each estimates that of the server.
local TOLERANCE_MS = 50

local action, key = ARGV[1], KEYS[1]
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function reply(outcome, text)
  return { outcome, now, text or '' }
end

local kind = redis.call('TYPE', key).ok

-- An error of the server, such as too little memory, is returned: for the caller it is not the loss of the connection.
local function set(...)
  local result = redis.pcall('SET', ...)
  return result.err and reply(3, result.err) or reply(1)
end

local function agree()
  local secret = kind == 'string' and redis.call('STRLEN', key) == 64 and redis.call('GET', key)
  if secret and string.match(secret, '^%x+$') then return reply(1, secret) end
  local written = set(key, ARGV[3])
  if written[1] == 1 then written[3] = ARGV[3] end
  return written
end

-- Whether earlier answers were dropped, and none was stored since.
local function is_forgotten()
  return kind == 'string' and redis.call('STRLEN', key) == BEGINNING_BYTES
    and string.match(redis.call('GET', key), '^quotalab%-answer%-1 %d+ $')
end

local function look_up()
  if kind == 'none' then return reply(0) end
  local length = kind == 'string' and redis.call('STRLEN', key)
  if not length or length > tonumber(ARGV[3]) then return reply(2) end
  if is_forgotten() then return reply(0) end
  return reply(1, redis.call('GET', key))
end

-- When the answer that is there was stored, or earlier ones were dropped; nothing if there is none, or if it claims to be from the future.
local function stored_at()
  if kind ~= 'string' then return nil end
  local beginning = redis.call('GETRANGE', key, 0, BEGINNING_BYTES - 1)
  local at = tonumber(string.match(beginning, '^quotalab%-answer%-1 (%d+) $') or '')
  return at and at <= now and at or nil
end

local function store()
  local stored, over = tonumber(ARGV[3]), tonumber(ARGV[4])
  if over <= now or (stored_at() or 0) > stored then return reply(0) end
  return set(key, ARGV[5], 'PXAT', string.format('%.0f', over))
end

local function forget()
  local arrived, stored = tonumber(ARGV[3]), stored_at() or 0
  -- The call may come late, when the answer that is to take the place of the dropped one is already there.
  if stored > arrived + TOLERANCE_MS then return reply(0) end
  local found = kind ~= 'none' and not is_forgotten()
  local beginning = string.format('quotalab-answer-1 %016.0f ', math.max(arrived, stored))
  if set(key, beginning, 'PX', FORGOTTEN_MS)[1] ~= 1 then redis.call('DEL', key) end
  return reply(found and 1 or 0)
end

if action == 'agree' then return agree() end
if action == 'look_up' then return look_up() end
if action == 'store' then return store() end
return forget()
