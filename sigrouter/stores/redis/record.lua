-- handover, step ...
local id = ARGV[2]
call('ZADD', HANDOVERS, 'NX', call('INCR', TURN), id)
for index = 3, #ARGV do call('RPUSH', HANDOVER .. id, ARGV[index]) end
call('EXPIRE', HANDOVER .. id, HANDOVER_TTL_S)
return answer('ok')
