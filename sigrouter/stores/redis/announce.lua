-- id, generation, abilities, capacity -> load, state, node
local id, key = ARGV[2], WORKER .. ARGV[2]
local record = load_record(id)
local refused = refusal(record, tonumber(ARGV[3]))
if refused then return answer(refused) end
call('HSET', key, 'abilities', ARGV[4], 'capacity', ARGV[5])
-- A repeat keeps the turn: a worker that reconnects does not lose its place.
if call('HSETNX', key, 'load', 0) == 1 then
  call('HSET', key, 'turn', call('INCR', TURN))
  call('EXPIRE', key, LIVE_TTL_S)
end
place_worker(id)
return answer('ok', tonumber(call('HGET', key, 'load')), record[STATE],
  record[STATE] == 'connected' and record[NODE_ID] or '')
