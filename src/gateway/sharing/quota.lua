-- One quota that several gateways share: the token bucket of `provider::window::Bucket` on each of its limits, in exact integers.
--
-- KEYS  1 the levels, a hash by axis: "level at per_ms per_unit capacity"
--       2 the leases that are not settled, a sorted set by the time at which each was given
--       3 the replicas, a sorted set by the time of their last heartbeat
--       4 (reserve, cool) the cool-down of one target: the replica that found it, for as long as it lasts
-- ARGV  1 what to do: reserve, settle, return, beat or cool
--       2 the time in milliseconds; empty for that of the server, as always outside tests
--       3 the replica
--       4 the id of the lease, of the grant, or of the report
--       5 6 the leases of a grant, first and last, which are ID/FIRST to ID/LAST; of `cool`, 5 is its length in milliseconds; of
--           `beat`, 5 is how recent the heartbeats are that it counts, in milliseconds
--       7 … seven for each limit: axis, per_ms, per_unit, burst, the units that are left if the server has no level, and two
--           amounts of units: reserve: cost, share of the grant; settle and return: reserved, used; beat: used beyond what
--           was reserved, 0
--
-- A level is kept in grains: a millisecond earns `per_ms` of them, a unit costs `per_unit`. The caller chooses them so that every
-- product is below 2^52, where Lua's numbers are exact. Returns whole numbers:
--   outcome (0 refused by a limit, 1 done, 2 cool-down, 3 too many leases), milliseconds to wait, number of the limit that refused,
--   replicas, 1 if the grant was given, then the whole units left of each limit, rounded down.

local MAX_LEASES = 65536
local LEASE_MS = 600000      -- after this a lease gives way to others if there are too many
local FORGOTTEN_MS = 3600000 -- after this it cannot be settled any more
local REPLICA_MS = 5000      -- a replica without a heartbeat for this time is gone
local LOWEST = -2^52

local action, replica, id = ARGV[1], ARGV[3], ARGV[4]
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The quotient of integers, rounded up: division alone may be off by one near 2^52.
local function ratio_up(dividend, divisor)
  local quotient = math.floor(dividend / divisor)
  while quotient * divisor < dividend do quotient = quotient + 1 end
  return quotient
end

local function floor_units(limit)
  local units = math.floor(limit.level / limit.per_unit)
  if units * limit.per_unit > limit.level then units = units - 1 end
  return units
end

-- The level at `now` of a limit that had `level` at `at`.
local function refilled(level, at, per_ms, capacity)
  local elapsed, missing = math.max(now - at, 0), capacity - level
  if missing <= 0 then return capacity end
  if per_ms == 0 then return level end
  if elapsed >= ratio_up(missing, per_ms) then return capacity end
  return level + elapsed * per_ms
end

-- Reads the levels of all limits at `now`.
local function read()
  local limits, axes = {}, {}
  for i = 7, #ARGV, 7 do
    local limit = {
      per_ms = tonumber(ARGV[i + 1]), per_unit = tonumber(ARGV[i + 2]),
      first = tonumber(ARGV[i + 5]), second = tonumber(ARGV[i + 6]),
    }
    limit.capacity = tonumber(ARGV[i + 3]) * limit.per_unit
    limit.absent = tonumber(ARGV[i + 4]) * limit.per_unit
    limits[#limits + 1], axes[#axes + 1] = limit, ARGV[i]
  end
  local stored = {}
  if #axes > 0 then stored = redis.call('HMGET', KEYS[1], unpack(axes)) end
  for i, limit in ipairs(limits) do
    limit.axis = axes[i]
    local level, at, per_ms, per_unit, capacity =
      string.match(stored[i] or '', '^(%-?%d+) (%d+) (%d+) (%d+) (%d+)$')
    if level then
      per_unit, capacity = tonumber(per_unit), tonumber(capacity)
      limit.level = refilled(tonumber(level), tonumber(at), tonumber(per_ms), capacity)
      if per_unit ~= limit.per_unit or capacity ~= limit.capacity then
        -- The limit was changed: what is used of it stays used.
        limit.level = limit.capacity - math.ceil((capacity - limit.level) / per_unit * limit.per_unit)
      end
    else
      limit.level = math.min(limit.absent, limit.capacity)
      limit.is_absent = limit.level < limit.capacity
    end
  end
  return limits
end

-- Writes the levels. They are forgotten when they are full again, which is what a missing level means.
local function write(limits)
  if #limits == 0 then return end
  local fields, longest = {}, 0
  for _, limit in ipairs(limits) do
    limit.level = math.max(limit.level, LOWEST)
    fields[#fields + 1] = limit.axis
    fields[#fields + 1] = string.format('%.0f %.0f %.0f %.0f %.0f',
      limit.level, now, limit.per_ms, limit.per_unit, limit.capacity)
    local full_in = limit.per_ms > 0 and ratio_up(limit.capacity - limit.level, limit.per_ms) or FORGOTTEN_MS
    longest = math.max(longest, full_in)
  end
  redis.call('HSET', KEYS[1], unpack(fields))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.min(longest + 60000, 2^45)))
end

local function settle(limits)
  for _, limit in ipairs(limits) do
    limit.level = math.min(limit.level + (limit.first - limit.second) * limit.per_unit, limit.capacity)
  end
  write(limits)
end

local function replicas_since(millis)
  return redis.call('ZCOUNT', KEYS[3], now - millis, '+inf')
end

local function answer(limits, outcome, wait, index, is_granted, recent)
  local reply = { outcome, wait, index, replicas_since(recent or REPLICA_MS), is_granted }
  for _, limit in ipairs(limits) do reply[#reply + 1] = floor_units(limit) end
  return reply
end

local function add_lease(lease)
  local is_new = redis.call('ZADD', KEYS[2], 'NX', now, lease)
  redis.call('PEXPIRE', KEYS[2], FORGOTTEN_MS)
  return is_new == 1
end

local function reserve()
  local first, last = tonumber(ARGV[5]), tonumber(ARGV[6])
  local limits = read()
  local cool_down = redis.call('PTTL', KEYS[4])
  if cool_down > 0 and redis.call('GET', KEYS[4]) ~= replica then return answer(limits, 2, cool_down, 0, 0) end
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - FORGOTTEN_MS)
  if redis.call('ZCARD', KEYS[2]) + 2 + last > MAX_LEASES then
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - LEASE_MS)
    if redis.call('ZCARD', KEYS[2]) + 2 + last > MAX_LEASES then
      local oldest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
      return answer(limits, 3, math.max(oldest[2] + LEASE_MS - now, 1), 0, 0)
    end
  end
  -- Everything is checked before anything is charged.
  local wait, index = 0, 0
  for i, limit in ipairs(limits) do
    local missing = limit.first * limit.per_unit - limit.level
    if missing > 0 then
      local refill = limit.per_ms > 0 and ratio_up(missing, limit.per_ms) or FORGOTTEN_MS
      if refill > wait then wait, index = refill, i end
    end
  end
  if wait > 0 then return answer(limits, 0, wait, index, 0) end
  -- A grant is given only if as much is left for every replica.
  local replicas = math.max(replicas_since(REPLICA_MS), 1)
  local is_granted = last > 0
  for _, limit in ipairs(limits) do
    local left = limit.level - (limit.first + limit.second) * limit.per_unit
    is_granted = is_granted and left >= replicas * limit.second * limit.per_unit
  end
  for _, limit in ipairs(limits) do
    limit.level = limit.level - (limit.first + (is_granted and limit.second or 0)) * limit.per_unit
  end
  if #limits > 0 then
    add_lease(id)
    if is_granted then
      add_lease(id .. '/rest')
      for number = first, last do add_lease(id .. '/' .. number) end
    end
    write(limits)
  end
  return answer(limits, 1, 0, 0, is_granted and 1 or 0)
end

if action == 'reserve' then
  return reserve()
elseif action == 'settle' then
  local limits = read()
  local is_open = redis.call('ZREM', KEYS[2], id) == 1
  if is_open then settle(limits) end
  return answer(limits, is_open and 1 or 0, 0, 0, 0)
elseif action == 'return' then
  local limits = read()
  local is_open = redis.call('ZREM', KEYS[2], id .. '/rest') == 1
  if is_open then
    for number = tonumber(ARGV[5]), tonumber(ARGV[6]) do redis.call('ZREM', KEYS[2], id .. '/' .. number) end
    settle(limits)
  end
  return answer(limits, is_open and 1 or 0, 0, 0, 0)
elseif action == 'beat' then
  redis.call('ZADD', KEYS[3], now, replica)
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - REPLICA_MS)
  redis.call('PEXPIRE', KEYS[3], 2 * REPLICA_MS)
  local limits = read()
  local is_changed = id ~= '' and add_lease(id)
  for _, limit in ipairs(limits) do
    if is_changed then
      limit.level = math.min(limit.level - limit.first * limit.per_unit, limit.capacity)
    end
    is_changed = is_changed or limit.is_absent
  end
  if is_changed then write(limits) end
  return answer(limits, 1, 0, 0, 0, math.min(tonumber(ARGV[5]), REPLICA_MS))
elseif action == 'cool' then
  local length = tonumber(ARGV[5])
  if length > redis.call('PTTL', KEYS[4]) then redis.call('SET', KEYS[4], replica, 'PX', ARGV[5]) end
  return answer({}, 1, 0, 0, 0)
end
return redis.error_reply('ERR unknown action')
