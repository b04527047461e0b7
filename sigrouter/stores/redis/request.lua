-- id, generation, abilities, deadline in seconds, fresh pair id -> pair, client, worker; or `queued`, position, deadline
local id = ARGV[2]
local refused = refusal(load_record(id), tonumber(ARGV[3]))
if refused then return answer(refused) end

local function paired()
  local pair_id = call('ZRANGE', PAIRS_OF .. id, 0, 0)[1]
  if not pair_id then return nil end
  local ends = call('HMGET', PAIR .. pair_id, 'client', 'worker')
  return answer('ok', pair_id, ends[1], ends[2])
end

local already = paired()
if already then return already end
if not call('ZSCORE', QUEUE, id) then
  local deadline = exact(now + tonumber(ARGV[5]))
  call('ZADD', QUEUE, call('INCR', TURN), id)
  call('ZADD', QUEUE_DEADLINES, deadline, id)
  call('HSET', REQUEST .. id, 'abilities', ARGV[4], 'deadline_at', deadline)
  call('EXPIRE', REQUEST .. id, LIVE_TTL_S)
  -- Through the queue, so that a newcomer does not take the slot of one who has waited for it.
  serve_queue(ARGV[6])
  already = paired()
  if already then return already end
end
return answer('queued', call('ZRANK', QUEUE, id) + 1, tonumber(call('HGET', REQUEST .. id, 'deadline_at')))
