-- id, generation, node, stack, connection, reads (0 or 1), epoch, seq, limit
-- -> record, previous record, backlog, pairs, last number
local id, generation, node_id, reads = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[7]
local epoch, seq, limit = ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10])
local previous = load_record(id)
local refused = refusal(previous, generation)
if refused then return answer(refused) end
local confirmed = tonumber(previous[GENERATION])
-- The confirmed generation may repeat its call while a newer claim is on its way: it still has the session.
if generation < 1 or (generation ~= confirmed and generation ~= tonumber(previous[CLAIMED])) then
  return answer('superseded')
end

if generation ~= confirmed then
  if generation > 1 then tell(NODE_CHANNEL .. previous[NODE_ID], 'superseded', id, generation, node_id) end
  -- It has arrived: what befalls it from now on is no part of the handover that sent it here.
  call('HSET', SESSION .. id, 'handover_id', '')
end
if previous[STATE] == 'connected' and previous[NODE_ID] ~= node_id then leave_node(id, previous) end
call('HSET', SESSION .. id, 'state', 'connected', 'generation', generation, 'pod_id', node_id, 'stack', ARGV[5],
  'connection_id', ARGV[6], 'reads', reads)
set_deadline(id, now + RECOVERY_WINDOW_S)
enter_node(id, previous[USER_ID], node_id)
place_worker(id)
renew(id)

local box = call('HMGET', SESSION .. id, 'epoch', 'head', 'acked')
local current, head = whole_epoch(box[1]), tonumber(box[2])
if reads == '1' and epoch == current and seq > tonumber(box[3]) and seq <= head then
  call('HSET', SESSION .. id, 'acked', seq)
  call('XTRIM', MESSAGES .. id, 'MINID', (seq + 1) .. '-0')
end
local backlog = read_log(MESSAGES .. id, current, head, epoch, seq, limit)
local pairs_here = pair_views(id)
for _, view in ipairs(pairs_here) do
  if view[5] ~= '' then tell(NODE_CHANNEL .. view[5], 'peer_ready', view[2], id, node_id) end
end
local last = tonumber(call('HGET', SENT .. id, 'last') or 0)
return answer('ok', load_record(id), previous, backlog, pairs_here, last)
