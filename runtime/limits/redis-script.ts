// The rules of accounts.ts as one Lua script: reserve, settle, release, end and sweep, each in one round trip.
//
// Its keys follow from one prefix, because a step releases ended reservations, whose keys can't be known
// beforehand: the prefix is a hash tag, so that they share a slot. Time is Redis's own, so that processes
// whose clocks differ agree on a window. Giving back fails at no key of another program: what was given back before it
// would be given back again.
import { HELD_RETRY_MS, KEEP_BUDGET_MS, KEEP_SETTLED_MS, SWEEP_IDS } from './port.ts'

/**
 * KEYS[1]: prefix. ARGV: reserve, settle, settleIf, release, end or sweep; the request as JSON; the time in ms, or empty
 * for Redis's own. settleIf: KEYS[2], a key of the key-value store, and ARGV[4], what its value begins with. Entries of
 * an id, as JSON {s: settled, a: alternative, e: [{b: 1 for a budget, k: key, n: amount, t: time}]}.
 */
export const limitsScript = `
local prefix, op, request = KEYS[1], ARGV[1], cjson.decode(ARGV[2])
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local endings = prefix .. ':endings'
local function taker(id) return prefix .. ':taker:' .. id end
local function budget(key) return prefix .. ':budget:' .. key end
local function window(key) return prefix .. ':window:' .. key end
local function sum(key) return prefix .. ':sum:' .. key end

local function taken(id)
  local text = redis.call('GET', taker(id))
  return text and cjson.decode(text) or nil
end

local function figures(key)
  local row = redis.call('HMGET', budget(key), 'settled', 'reserved')
  return tonumber(row[1] or '0'), tonumber(row[2] or '0')
end

local function is(key, kind) return redis.call('TYPE', key).ok == kind end

local function giveBack(id, entry, settled)
  if entry.n == 0 then return end
  if entry.b == 1 then
    if is(budget(entry.k), 'hash') then
      redis.call('HINCRBY', budget(entry.k), settled and 'settled' or 'reserved', -entry.n)
    end
  elseif is(window(entry.k), 'zset') and redis.call('ZREM', window(entry.k), id .. ':' .. entry.n) == 1 then
    redis.call('DECRBY', sum(entry.k), entry.n)
  end
end

local function take(id, claim, at, settled)
  if claim.form == 'budget' then
    redis.call('HINCRBY', budget(claim.key), settled and 'settled' or 'reserved', claim.amount)
    redis.call('PEXPIREAT', budget(claim.key), claim.resetsAtMs + ${KEEP_BUDGET_MS})
    return {b = 1, k = claim.key, n = claim.amount}
  end
  if claim.amount > 0 and at > now - claim.windowMs then
    redis.call('ZADD', window(claim.key), at, id .. ':' .. claim.amount)
    redis.call('INCRBY', sum(claim.key), claim.amount)
    redis.call('PEXPIRE', window(claim.key), claim.windowMs * 2)
    redis.call('PEXPIRE', sum(claim.key), claim.windowMs * 2)
  end
  return {b = 0, k = claim.key, n = claim.amount, t = at}
end

local function windowSum(key, windowMs)
  local old = redis.call('ZRANGEBYSCORE', window(key), '-inf', now - windowMs)
  if #old > 0 then
    local gone = 0
    for _, member in ipairs(old) do gone = gone + tonumber(string.match(member, ':(%d+)$')) end
    redis.call('ZREMRANGEBYSCORE', window(key), '-inf', now - windowMs)
    redis.call('DECRBY', sum(key), gone)
  end
  return tonumber(redis.call('GET', sum(key)) or '0')
end

local function budgetRefusal(claim, entry)
  local settled, reserved = figures(claim.key)
  if entry then reserved = reserved - entry.n end
  if settled + reserved + claim.amount <= claim.limit then return nil end
  local final = settled + claim.amount > claim.limit
  local wait = final and math.max(1, claim.resetsAtMs - now) or ${HELD_RETRY_MS}
  return {settled = settled, reserved = reserved, retryAfterMs = wait, final = final}
end

local function windowRefusal(claim, entry)
  local reserved = windowSum(claim.key, claim.windowMs)
  if entry and entry.t > now - claim.windowMs then reserved = reserved - entry.n end
  local excess = reserved + claim.amount - claim.limit
  if excess <= 0 then return nil end
  local freeAt, from = now + claim.windowMs, 0
  while excess > 0 do
    local members = redis.call('ZRANGE', window(claim.key), from, from + 99, 'WITHSCORES')
    if #members == 0 then break end
    for i = 1, #members, 2 do
      excess = excess - tonumber(string.match(members[i], ':(%d+)$'))
      freeAt = tonumber(members[i + 1]) + claim.windowMs
      if excess <= 0 then break end
    end
    from = from + 100
  end
  local final = claim.amount > claim.limit
  return {settled = 0, reserved = reserved, retryAfterMs = math.max(1, freeAt - now), final = final}
end

local function refusal(claims, former)
  local worst = nil
  for index, claim in ipairs(claims) do
    local entry = nil
    for _, each in ipairs(former and former.e or {}) do if each.k == claim.key then entry = each end end
    local found
    if claim.form == 'budget' then found = budgetRefusal(claim, entry) else found = windowRefusal(claim, entry) end
    if found then
      found.claim = index - 1
      local worse = worst and found.retryAfterMs > worst.retryAfterMs
      if worst and found.final ~= worst.final then worse = found.final end
      if not worst or worse then worst = found end
    end
  end
  return worst
end

local function reservation(id)
  local known = id and taken(id)
  return known and not known.s and known or nil
end

local function finish(id)
  local known = reservation(id)
  for _, entry in ipairs(known and known.e or {}) do
    if entry.b == 1 then giveBack(id, entry, false) end
  end
  if known then redis.call('DEL', taker(id)) end
  redis.call('ZREM', endings, id)
  return {}
end

local function sweep()
  local ended = redis.call('ZRANGEBYSCORE', endings, '-inf', now, 'LIMIT', 0, ${SWEEP_IDS})
  for _, id in ipairs(ended) do finish(id) end
  return {ended = #ended}
end

local function replace(id, former, claims)
  local named = {}
  for _, claim in ipairs(claims) do named[claim.key] = true end
  for _, entry in ipairs(former.e) do
    if entry.b == 1 or named[entry.k] then giveBack(id, entry, false) end
  end
  redis.call('DEL', taker(id))
  redis.call('ZREM', endings, id)
end

local function reserve()
  sweep()
  local known = taken(request.id)
  if known then
    if not known.s then redis.call('ZADD', endings, now + request.ttlMs, request.id) end
    return {granted = true, alternative = known.a}
  end
  local former = reservation(request.replaces)
  local refusals = {}
  for number, claims in ipairs(request.alternatives) do
    local refused = refusal(claims, former)
    if not refused then
      if former then replace(request.replaces, former, claims) end
      local entries = {}
      for i, claim in ipairs(claims) do entries[i] = take(request.id, claim, now, false) end
      redis.call('SET', taker(request.id), cjson.encode({s = false, a = number - 1, e = entries}))
      redis.call('ZADD', endings, now + request.ttlMs, request.id)
      return {granted = true, alternative = number - 1, refusals = #refusals > 0 and refusals or nil}
    end
    refusals[number] = refused
  end
  return {granted = false, refusals = refusals}
end

local function settle()
  local known, times, entries, warned = taken(request.id), {}, {}, {}
  for _, entry in ipairs(known and known.e or {}) do
    giveBack(request.id, entry, known.s)
    times[entry.k] = entry.t
  end
  for i, claim in ipairs(request.claims) do
    entries[i] = take(request.id, claim, times[claim.key] or request.atMs, true)
    if claim.warnAt and figures(claim.key) >= claim.warnAt
      and (tonumber(redis.call('HGET', budget(claim.key), 'warned')) or 0) < claim.warnAt then
      redis.call('HSET', budget(claim.key), 'warned', claim.warnAt)
      warned[#warned + 1] = i - 1
    end
  end
  local row = cjson.encode({s = true, a = known and known.a or 0, e = entries})
  redis.call('SET', taker(request.id), row, 'PX', ${KEEP_SETTLED_MS})
  redis.call('ZREM', endings, request.id)
  return {warned = warned}
end

local function settleIf()
  local head = ARGV[4]
  if redis.call('GETRANGE', KEYS[2], 0, #head - 1) ~= head then return {isOther = true} end
  return settle()
end

local function release()
  local known = reservation(request.id)
  if not known then return {} end
  for _, entry in ipairs(known.e) do giveBack(request.id, entry, false) end
  redis.call('DEL', taker(request.id))
  redis.call('ZREM', endings, request.id)
  return {}
end

local function endNow() return finish(request.id) end

local operations = {reserve = reserve, settle = settle, settleIf = settleIf, release = release, ['end'] = endNow, sweep = sweep}
return cjson.encode(operations[op]())
`
