-- What one caller has used of its budget, counted for all gateways: per day of UTC, in whole numbers on two sides: 10^-9 USD, tokens.
--
-- KEYS  1 the books, a hash: "epoch", "seq", and for each day "base base used used held held", on both sides
--       2 the leases, a hash by id: "at day held held"
--       3 the leases that are open, a sorted set by the time at which each was given
--       4 the leases that were open for too long and count as used, likewise
--       5 what was counted without a lease, a sorted set of ids by time
--       6 the replicas, a hash: "at day replicas marker before before since since attempt attempt": the time of its last call; the day and
--         the number of replicas then; its shares on that day: the largest since the answer with the number `marker`, and the one before,
--         which it may believe in until it has taken that answer; and what its last attempt could cost
-- ARGV  1 what to do: reserve, settle or beat
--       2 the time in milliseconds; empty for that of the server, as always outside tests
--       3 the replica
--       4 the id of the lease, or of the report
--       5 6 the epoch and the number of the last answer that the replica has taken; empty and 0 without one
--       7 8 what it knows from that answer to be used and reserved, 9 on which day
--       10 11 the budget; negative for none
--       12 13 what its last attempt could cost
--       14 15 reserve: the most that the attempt may cost; settle: what it has cost; beat: what the report adds, or takes away
--       16 settle: the day of the lease; beat: that of the report
--       17 settle: the epoch of the lease; 18 19 what it holds
--       20 settle, beat: 1 if it was sent before, and no answer came
--       21 beat: how recent the calls are of the replicas that it counts, in milliseconds
--       22 23 what the replica has used alone and the server has not acknowledged, without what this call reports
--
-- Every amount is at most 2^50, which is more than the largest budget (a million USD, 10^12 tokens), and every sum at most 2^53, up to
-- which Lua's numbers are exact: an attempt that is cut down to 2^50 fits no budget.
--
-- Used of a day is base + used. `base` is what gateways knew before the server lost its data: the largest of what they report.
-- Each replica has a share: what it may use alone if the server is gone. No other replica is given it, until an answer with a
-- later share is known to have arrived. So this holds: used + held + shares of the other replicas + next attempt <= budget.
--
-- Returns the epoch, and whole numbers: outcome (0 refused or unknown, 1 done, 2 too many leases), replicas that are counted, and all
-- of them, number of the answer, day, milliseconds until the next, and on both sides: used, held, shares of the others, own share.
-- An answer with outcome 0 has no share: it changes nothing.

local BOOKS, LEASES, OPEN, LAPSED, COUNTED, REPLICAS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local MAX_LEASES = 65536
local LEASE_MS = 600000      -- then a lease that was not settled counts as used: its gateway is gone, the provider may have answered
local FORGOTTEN_MS = 3600000 -- then it cannot be settled any more
local REPLICA_MS = 5000      -- a replica without a call for this time is gone
local DAY_MS = 86400000
local KEPT_DAYS = 2
local MOST_SUM = 2^51
local SHARE_ATTEMPTS = 2     -- shares are given only if each pays for this number of attempts

local action, replica, id = ARGV[1], ARGV[3], ARGV[4]
local function pair(index) return { tonumber(ARGV[index]), tonumber(ARGV[index + 1]) } end
local known_epoch, known_seq = ARGV[5], tonumber(ARGV[6])
local known, known_day = pair(7), tonumber(ARGV[9])
local budget, own_attempt, attempt, amounts, unacknowledged = pair(10), pair(12), pair(12), pair(14), pair(22)

local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local today = math.floor(now / DAY_MS)

local function numbers_in(text)
  local numbers = {}
  for number in string.gmatch(text or '', '%-?%d+') do numbers[#numbers + 1] = tonumber(number) end
  return numbers
end

local function text_of(...)
  local texts = {}
  for i, number in ipairs({ ... }) do texts[i] = string.format('%.0f', number) end
  return table.concat(texts, ' ')
end

-- What is given as shares. The rest is for reservations, also while shares of replicas that are gone are still kept.
local function nine_tenths(amount) return amount - math.ceil(amount / 10) end

local days, changed = {}, false

local function of_day(day)
  if not days[day] then
    local n = numbers_in(redis.call('HGET', BOOKS, text_of(day)))
    days[day] = {
      base = { n[1] or 0, n[2] or 0 }, used = { n[3] or 0, n[4] or 0 }, held = { n[5] or 0, n[6] or 0 },
      is_new = #n == 0,
    }
  end
  return days[day]
end

local function add(sums, amounts, sign)
  for side = 1, 2 do
    sums[side] = math.max(math.min(sums[side] + sign * amounts[side], MOST_SUM), -MOST_SUM)
  end
end

local function used_of(book, side) return math.max(book.base[side] + book.used[side], 0) end

local function is_kept(day) return day >= today - KEPT_DAYS and day <= today + 1 end

local books = redis.call('HMGET', BOOKS, 'epoch', 'seq')
local epoch, seq = books[1] or nil, tonumber(books[2] or 0)

local function begin_epoch()
  epoch, seq, changed = replica .. '-' .. text_of(now) .. '-' .. text_of(known_seq), 0, true
end

-- A server that has lost its data, or only the latest of them, learns from the gateways what they know.
if not epoch then
  begin_epoch()
elseif known_epoch == epoch and known_seq > seq then
  for _, field in ipairs(redis.call('HKEYS', BOOKS)) do
    local day = tonumber(field)
    if day then
      local book = of_day(day)
      for side = 1, 2 do
        book.base[side] = math.min(used_of(book, side) + book.held[side], MOST_SUM)
        book.used[side], book.held[side] = 0, 0
      end
    end
  end
  redis.call('DEL', LEASES, OPEN, LAPSED, REPLICAS)
  begin_epoch()
end
local is_same_epoch = known_epoch == epoch
if known_epoch ~= '' and not is_same_epoch and is_kept(known_day) then
  local book = of_day(known_day)
  for side = 1, 2 do
    if known[side] > book.base[side] then
      book.base[side], changed = math.min(known[side], MOST_SUM), true
    end
  end
end

-- The replicas, what the others may use alone, and how many there are.
local others, live, own = { 0, 0 }, 0, nil
local all = redis.call('HGETALL', REPLICAS)
local recent_ms = action == 'beat' and math.min(tonumber(ARGV[21]), REPLICA_MS) or REPLICA_MS
local recent = 1
for i = 1, #all, 2 do
  local n = numbers_in(all[i + 1])
  if all[i] == replica then
    own, live = n, live + 1
  elseif n[1] > now - REPLICA_MS then
    live = live + 1
    if n[1] >= now - recent_ms then recent = recent + 1 end
    for side = 1, 2 do
      attempt[side] = math.max(attempt[side], n[8 + side])
      if budget[side] >= 0 then
        -- If it has had no answer on this day, it may use its part of the whole budget alone.
        local share = n[2] == today and math.max(n[4 + side], n[6 + side]) or math.floor(nine_tenths(budget[side]) / n[3])
        others[side] = others[side] + share
      end
    end
  elseif action == 'beat' then
    redis.call('HDEL', REPLICAS, all[i])
  end
end
if not own then live = live + 1 end

-- Returns the share of this replica. An earlier, larger one stays recorded until the replica is known to have taken a later answer.
local function new_share()
  local book, share, is_useful = of_day(today), { 0, 0 }, true
  for side = 1, 2 do
    if budget[side] >= 0 then
      local left = budget[side] - used_of(book, side) - book.held[side]
      share[side] = math.max(math.min(math.floor(nine_tenths(left) / live), nine_tenths(left) - others[side]), 0)
      is_useful = is_useful and left >= SHARE_ATTEMPTS * live * attempt[side] and share[side] > 0
    end
  end
  for side = 1, 2 do share[side] = math.max(is_useful and share[side] or 0, unacknowledged[side]) end
  local marker, before, since = seq, { 0, 0 }, share
  if own and own[2] == today then
    before, since = { own[5], own[6] }, { own[7], own[8] }
    marker = own[4]
    if is_same_epoch and known_seq >= marker then
      before, since, marker = since, share, seq
    else
      since = { math.max(since[1], share[1]), math.max(since[2], share[2]) }
    end
  end
  redis.call('HSET', REPLICAS, replica,
    text_of(now, today, live, marker, before[1], before[2], since[1], since[2], own_attempt[1], own_attempt[2]))
  return share
end

-- Writes what has changed, and answers.
local function finish(outcome)
  local share = { 0, 0 }
  if changed then
    seq = seq + 1
    share = new_share()
    local fields = { 'epoch', epoch, 'seq', text_of(seq) }
    for day, book in pairs(days) do
      if is_kept(day) then
        fields[#fields + 1] = text_of(day)
        fields[#fields + 1] = text_of(book.base[1], book.base[2], book.used[1], book.used[2], book.held[1], book.held[2])
      end
    end
    if of_day(today).is_new then
      for _, field in ipairs(redis.call('HKEYS', BOOKS)) do
        local day = tonumber(field)
        if day and not is_kept(day) then redis.call('HDEL', BOOKS, field) end
      end
    end
    redis.call('HSET', BOOKS, unpack(fields))
    for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 3 * DAY_MS) end
  end
  local book = of_day(today)
  return { epoch, {
    outcome, recent, live, seq, today, (today + 1) * DAY_MS - now,
    used_of(book, 1), used_of(book, 2), book.held[1], book.held[2], others[1], others[2], share[1], share[2],
  } }
end

-- Lets leases that were not settled count as used, and forgets those that cannot be settled any more.
local function lapse()
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', OPEN, '-inf', now - LEASE_MS, 'LIMIT', 0, 1024)) do
    local n = numbers_in(redis.call('HGET', LEASES, lease))
    local held = { n[3], n[4] }
    add(of_day(n[2]).held, held, -1)
    add(of_day(n[2]).used, held, 1)
    redis.call('ZREM', OPEN, lease)
    redis.call('ZADD', LAPSED, n[1], lease)
    changed = true
  end
  local excess = redis.call('ZCARD', LAPSED) - MAX_LEASES
  local old = redis.call('ZRANGEBYSCORE', LAPSED, '-inf', now - FORGOTTEN_MS, 'LIMIT', 0, 1024)
  if excess > 0 then old = redis.call('ZRANGE', LAPSED, 0, math.min(excess, 1024) - 1) end
  for _, lease in ipairs(old) do
    redis.call('ZREM', LAPSED, lease)
    redis.call('HDEL', LEASES, lease)
  end
end

-- Returns true if what has this id was not counted before.
local function is_first()
  return redis.call('ZADD', COUNTED, 'NX', now, id) == 1
end

if action == 'reserve' then
  local book, held = of_day(today), {}
  for side = 1, 2 do
    local left = budget[side] - used_of(book, side) - book.held[side] - others[side] - unacknowledged[side]
    if budget[side] >= 0 and amounts[side] > math.max(left, 0) then return finish(0) end
    held[side] = math.min(amounts[side], MOST_SUM - book.held[side])
  end
  if redis.call('ZCARD', OPEN) >= MAX_LEASES then
    lapse()
    if redis.call('ZCARD', OPEN) >= MAX_LEASES then return finish(2) end
  end
  add(book.held, held, 1)
  redis.call('HSET', LEASES, id, text_of(now, today, held[1], held[2]))
  redis.call('ZADD', OPEN, now, id)
  changed = true
  return finish(1)
elseif action == 'settle' then
  local lease, day, is_done = redis.call('HGET', LEASES, id), tonumber(ARGV[16]), true
  if lease then
    local n = numbers_in(lease)
    local is_open = redis.call('ZREM', OPEN, id) == 1
    redis.call('ZREM', LAPSED, id)
    redis.call('HDEL', LEASES, id)
    local book = of_day(n[2])
    add(is_open and book.held or book.used, { n[3], n[4] }, -1)
    add(book.used, amounts, 1)
  elseif ARGV[17] ~= epoch and ARGV[20] == '0' and is_kept(day) and is_first() then
    -- The server has lost the lease; what it held is part of the base.
    add(of_day(day).used, amounts, 1)
    add(of_day(day).used, pair(18), -1)
  else
    is_done = false
  end
  changed = changed or is_done
  return finish(is_done and 1 or 0)
elseif action == 'beat' then
  lapse()
  redis.call('ZREMRANGEBYSCORE', COUNTED, '-inf', now - FORGOTTEN_MS)
  local day = tonumber(ARGV[16])
  if id ~= '' and is_kept(day) and is_first() then
    -- If it may have been counted before the server lost its data, what it gives back may have been given back then.
    local is_certain = is_same_epoch or ARGV[20] == '0'
    for side = 1, 2 do amounts[side] = is_certain and amounts[side] or math.max(amounts[side], 0) end
    add(of_day(day).used, amounts, 1)
  end
  changed = true
  return finish(1)
end
return redis.error_reply('ERR unknown action')
