-- One bucket for many processes. Time is the Redis server's alone.
--
-- KEYS: the bucket (a hash), and for each lane, interactive and bulk, a sorted set of the processes that wait,
--       by the time at which they will ask again.
-- ARGV: burst, permits per second, longest pause, smallest share, permits to recover, bulk share, seconds that a
--       probe is waited for; then the operation and its arguments.
--
-- A process that gets less than it wants learns when to ask again, and its permit stays claimed for a while after
-- that. No permit is taken before it is due, so a process that never asks again costs nothing.

local bucket, interactive, bulk = KEYS[1], KEYS[2], KEYS[3]
local burst, rate = tonumber(ARGV[1]), tonumber(ARGV[2])
local longest_pause, smallest_share = tonumber(ARGV[3]), tonumber(ARGV[4])
local recovery, bulk_share, lease = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local operation = ARGV[8]

local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6

local fields = {'level', 'at', 'share', 'refusals', 'hold_until', 'probe_until', 'interactive_streak'}
local stored = redis.call('HMGET', bucket, unpack(fields))
local s = {
  level = 0, at = now, share = 1, refusals = 0, hold_until = 0, probe_until = 0, interactive_streak = 0
}
for i, name in ipairs(fields) do
  s[name] = tonumber(stored[i] or s[name])
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

local passed = math.max(0, now - s.at)
s.at = now
s.level = math.max(0, s.level - leaked(passed))
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
  local lane = ARGV[9] == 'bulk' and bulk or interactive
  granted, wait = take(lane, ARGV[10], tonumber(ARGV[11]), tonumber(ARGV[12]), ARGV[13] == '1')
elseif operation == 'refused' then
  refused(tonumber(ARGV[9]), ARGV[10] == '1', tonumber(ARGV[11]))
elseif operation == 'probed' then
  s.probe_until = 0
  if ARGV[9] == '1' then
    s.refusals = 0
  end
elseif operation == 'give_back' then
  s.level = math.max(0, s.level - tonumber(ARGV[9]))
end

local flat = {}
for _, name in ipairs(fields) do
  flat[#flat + 1] = name
  flat[#flat + 1] = string.format('%.6f', s[name])
end
redis.call('HSET', bucket, unpack(flat))
for _, key in ipairs(KEYS) do
  redis.call('EXPIRE', key, 86400)
end

local hold = s.refusals > 0 and math.max(0, s.hold_until - now) or 0
local probe = granted > 0 and s.refusals > 0 and 1 or 0
local answer = {granted, wait, probe, s.level, rate * s.share, hold, s.interactive_streak}
for i, number in ipairs(answer) do
  answer[i] = string.format('%.6f', number)
end
return answer
