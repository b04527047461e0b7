-- handover, msgpack {id, ...}
for _, id in ipairs(cmsgpack.unpack(ARGV[3])) do
  local state = call('HGET', SESSION .. id, 'state')
  if state and state ~= 'ended' then call('HSET', SESSION .. id, 'handover_id', ARGV[2]) end
end
return answer('ok')
