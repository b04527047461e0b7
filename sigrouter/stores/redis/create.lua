-- id, user, role, node, stack, connection, epoch -> record. A repeat finds what the first one made.
local id, epoch = ARGV[2], ARGV[8]
local record = load_record(id)
if not record then
  call('DEL', SESSION .. id)
  call('HSET', SESSION .. id, 'user_id', ARGV[3], 'role', ARGV[4], 'state', 'new', 'generation', 0, 'claimed', 1,
    'pod_id', ARGV[5], 'stack', ARGV[6], 'connection_id', ARGV[7], 'created_at', exact(now),
    'handover_id', '', 'ended_reason', '', 'epoch', epoch, 'head', 0, 'acked', 0, 'reads', 1)
  set_deadline(id, now + HANDSHAKE_S)
  call('EXPIRE', SESSION .. id, LIVE_TTL_S)
  record = load_record(id)
end
return answer('ok', record)
