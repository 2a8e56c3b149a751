-- One bucket for many processes. Time is the Redis server's alone.
--
-- KEYS: the bucket (a hash), and for each lane, interactive and bulk, a sorted set of the processes that wait,
--       by the time at which they will ask again.
-- ARGV: burst, permits per second, longest pause, smallest share, permits to recover, bulk share, seconds that a
--       probe is waited for, what the process last heard as `counted`, seconds since then; then the operation and
--       its arguments.
--
-- A process that gets less than it wants learns when to ask again, and its permit stays claimed for a while after
-- that. No permit is taken before it is due, so a process that never asks again costs nothing.
--
-- After a 429 the bucket is *paused* (`hold_until`), then *due* for a probe, then *probing* (`probe_until`), and from
-- there clear, paused or due again: when the probe passed, met a 429, or was lost or overdue. Probes are numbered, so
-- that a report which comes late, or twice, ends no other probe than its own.
--
-- The clock may be set, and another server may take over with its own: what passed is never negative, and never more
-- than the asking process counted by its own clock, less what was `counted` since it last asked.

local bucket, interactive, bulk = KEYS[1], KEYS[2], KEYS[3]
local burst, rate = tonumber(ARGV[1]), tonumber(ARGV[2])
local longest_pause, smallest_share = tonumber(ARGV[3]), tonumber(ARGV[4])
local recovery, bulk_share, lease = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local heard, since_asked = tonumber(ARGV[8]), tonumber(ARGV[9])
local operation = ARGV[10]

local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6

local fields = {'level', 'at', 'share', 'refusals', 'hold_until', 'probe_until', 'interactive_streak', 'probes',
  'counted'}
local s = {
  level = 0, at = now, share = 1, refusals = 0, hold_until = 0, probe_until = 0, interactive_streak = 0, probes = 0,
  counted = 0
}
local stored = redis.call('HGETALL', bucket)
local is_new = #stored == 0
local me = operation == 'take' and 'process ' .. ARGV[12] or ''
local processes, gone = 1, {}  -- those that asked in the last minute
for i = 1, #stored, 2 do
  local name, number = stored[i], tonumber(stored[i + 1])
  if s[name] then
    s[name] = number
  elseif math.abs(now - number) > 60 then
    gone[#gone + 1] = name
  elseif name ~= me then
    processes = processes + 1
  end
end

-- The share of the leak that we count on grows evenly with time, up to all of it: see `Leak` in local.py.
local growth = rate / recovery

local function leaked(seconds)
  local growing = math.min(seconds, (1 - s.share) / growth)
  return rate * (s.share * growing + growth * growing ^ 2 / 2 + seconds - growing)
end

local function seconds_for(permits)
  local growing = (1 - s.share) / growth
  local rest = permits - leaked(growing)
  if rest >= 0 then
    return growing + rest / rate
  end
  local at_full_rate = math.max(0, permits) / rate
  return 2 * at_full_rate / (s.share + math.sqrt(s.share ^ 2 + 2 * growth * at_full_rate))
end

if now < s.at then
  local set_back = s.at - now
  s.hold_until, s.probe_until = s.hold_until - set_back, s.probe_until - set_back
  redis.call('DEL', interactive, bulk)
end
s.hold_until = math.min(s.hold_until, now + longest_pause)
s.probe_until = math.min(s.probe_until, now + lease)
local passed = math.max(0, math.min(now - s.at, since_asked - math.max(0, s.counted - (heard or s.counted))))
s.at, s.counted = now, s.counted + passed
s.level = math.max(0, math.min(burst, s.level) - leaked(passed))
s.share = math.min(1, s.share + passed * growth)

local function claimed(lane)  -- permits that other processes are due to ask for by now
  return redis.call('ZCOUNT', lane, '-inf', now)
end

local function take(lane, me, wanted, reserve, contended)
  if s.refusals > 0 then
    if s.probe_until > now then
      return 0, math.min(s.probe_until - now, math.max(0.02, 1 / rate))
    elseif s.hold_until > now then
      return 0, s.hold_until - now
    end
    wanted = 1
  end

  -- A claim lasts one leak beyond its time, long enough for a process that asks a little late.
  local grace = math.max(0.1, 1 / rate)
  redis.call('ZREM', lane, me)
  redis.call('ZREMRANGEBYSCORE', interactive, '-inf', now - grace)
  redis.call('ZREMRANGEBYSCORE', bulk, '-inf', now - grace)

  local bulk_is_next = s.interactive_streak >= bulk_share - 1
  local kept, claims, others
  if lane == interactive then
    kept, claims = 0, claimed(interactive)
    others = redis.call('ZCARD', interactive)
    if bulk_is_next and redis.call('ZCARD', bulk) > 0 then
      claims, others = claims + 1, others + 1
    end
  else
    kept, claims = reserve, claimed(interactive) + claimed(bulk)
    others = redis.call('ZCARD', interactive) + redis.call('ZCARD', bulk)
    if bulk_is_next and burst - s.level - kept - claims < 1 then
      wanted, kept, claims, others = 1, 0, claimed(bulk), redis.call('ZCARD', bulk)
    end
  end

  local granted = math.max(0, math.min(wanted, math.floor(burst - s.level - kept - claims + 1e-6)))
  s.level = s.level + granted
  if granted > 0 then
    if lane == bulk then
      s.interactive_streak = 0
    elseif contended or wanted - granted >= 2 then
      s.interactive_streak = s.interactive_streak + granted
    end
    if s.refusals > 0 then
      s.probe_until = now + lease
      s.probes = s.probes + 1
    end
  end

  local wait = seconds_for(s.level + kept + others + 1 - burst)
  if lane == bulk then
    wait = math.min(wait, seconds_for(bulk_share))  -- bulk's turn may come before the reserve is full
  end
  if wanted > granted then
    redis.call('ZADD', lane, now + wait, me)
  end
  return granted, wait
end

local function is_out(probe)  -- nil: the process knows no number
  return probe == nil or probe == s.probes and s.probe_until > 0
end

local function refused(retry_after, probe, jitter)
  local asked = math.min(math.max(retry_after or 0, 0), longest_pause)
  if s.refusals > 0 and not probe then
    s.hold_until = math.max(s.hold_until, now + asked)
    return
  end
  s.refusals = s.refusals + 1
  s.probe_until = 0
  local pause = math.min(longest_pause, 2 ^ math.min(s.refusals, 30) / rate) * jitter
  s.hold_until = now + (retry_after and asked or pause)
  s.share = math.max(smallest_share, s.share / 2)
  s.level = burst
end

local granted, wait = 0, 0
if operation == 'take' then
  local lane = ARGV[11] == 'bulk' and bulk or interactive
  local known, alone = tonumber(ARGV[16] or 0), tonumber(ARGV[17] or 0)
  -- A Redis that forgot is told what the process last heard, and each what the process took while it was alone.
  s.level = math.max(0, math.min(burst, s.level + (is_new and known or 0) + alone))
  granted, wait = take(lane, ARGV[12], tonumber(ARGV[13]), tonumber(ARGV[14]), ARGV[15] == '1')
elseif operation == 'refused' then
  local probe = ARGV[12] == '1' and is_out(tonumber(ARGV[14]))
  refused(tonumber(ARGV[11]), probe, tonumber(ARGV[13]))
elseif operation == 'probed' and is_out(tonumber(ARGV[12])) then
  s.probe_until = 0
  if ARGV[11] == '1' then
    s.refusals = 0
  end
elseif operation == 'give_back' then
  s.level = math.max(0, s.level - tonumber(ARGV[11]))
end

local flat = {}
for _, name in ipairs(fields) do
  flat[#flat + 1] = name
  flat[#flat + 1] = string.format('%.6f', s[name])
end
if me ~= '' then
  flat[#flat + 1] = me
  flat[#flat + 1] = math.floor(now)
end
if #gone > 0 then
  redis.call('HDEL', bucket, unpack(gone))
end
-- The first that takes from a new bucket says how full it was: nothing else may make it, but a 429, which fills it.
if not is_new or operation == 'take' or operation == 'refused' then
  redis.call('HSET', bucket, unpack(flat))
end
for _, key in ipairs(KEYS) do
  redis.call('EXPIRE', key, 86400)
end

local hold = s.refusals > 0 and math.max(0, s.hold_until - now) or 0
local probe = granted > 0 and s.refusals > 0 and 1 or 0
local answer = {
  granted, wait, probe, s.level, rate * s.share, hold, s.interactive_streak, s.refusals, s.probes, processes, s.counted
}
for i, number in ipairs(answer) do
  answer[i] = string.format('%.6f', number)
end
return answer
