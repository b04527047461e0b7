-- id, generation, pair, room, body, number (or empty), acked, epoch for a new room
-- -> channel, epoch, seq, at, duplicate
-- The hot path: every message of everybody is one run of this script.
local id, pair_id, room_id, body = ARGV[2], ARGV[4], ARGV[5], ARGV[6]
local sender = call('HMGET', SESSION .. id, 'state', 'generation', 'expires_at')
if not sender[1] then return answer('unknown') end
if sender[1] == 'ended' then return answer(tonumber(sender[3]) <= now and 'unknown' or 'revoked') end
if tonumber(ARGV[3]) < tonumber(sender[2]) then return answer('superseded') end

local number, sent, last, acked = tonumber(ARGV[7]), SENT .. id, 0, 0
if number then
  local known = call('HMGET', sent, 'last', 'acked', number)
  last, acked = tonumber(known[1] or 0), tonumber(known[2] or 0)
  local newly = tonumber(ARGV[8])
  if newly > acked then
    -- Nobody asks for these answers again. The sender chooses `acked`: never count up to it.
    if newly - acked <= 64 then
      for settled = acked + 1, newly do call('HDEL', sent, settled) end
    else
      for _, name in ipairs(call('HKEYS', sent)) do
        local settled = tonumber(name)
        if settled and settled <= newly then call('HDEL', sent, name) end
      end
    end
    acked = newly
    call('HSET', sent, 'acked', acked)
    if not known[1] and not known[2] then call('EXPIRE', sent, LIVE_TTL_S) end
  end
  -- A repeat comes before the pair: its first answer holds, even if the pair is gone since.
  if number <= last then
    if number > acked and known[3] then
      local first = cmsgpack.unpack(known[3])
      return answer('ok', first[1], first[2], first[3], first[4], true)
    end
    return answer('ok', '', '', 0, 0, true)
  end
  if number - 1 > last and number - 1 > acked then return answer('out_of_order', last + 1) end
end

local at = milliseconds()
local channel, epoch, seq
if pair_id ~= '' then
  local ends = call('HMGET', PAIR .. pair_id, 'client', 'worker')
  local reader
  if ends[1] == id then reader = ends[2] elseif ends[2] == id then reader = ends[1] end
  if not reader then return answer('not_paired') end
  local key, stream = SESSION .. reader, MESSAGES .. reader
  local box = call('HMGET', key, 'epoch', 'reads', 'state', 'pod_id')
  if not box[1] or box[3] == 'ended' then return answer('not_paired') end
  local reads = box[2] == '1'
  if reads and call('XLEN', stream) >= MAILBOX_ENTRIES then return answer('mailbox_full') end
  channel, epoch = 'session:' .. reader, whole_epoch(box[1])
  seq = call('HINCRBY', key, 'head', 1)
  if reads then
    call('XADD', stream, seq .. '-0', 'a', at, 'b', body)
  else
    call('XADD', stream, 'MAXLEN', MAILBOX_ENTRIES, seq .. '-0', 'a', at, 'b', body)
  end
  if seq == 1 then call('EXPIRE', stream, LIVE_TTL_S) end
  if box[3] == 'connected' then tell(NODE_CHANNEL .. box[4], 'entry', channel, epoch, seq, at, body) end
else
  local log, stream = ROOM .. room_id .. ROOM_LOG_SUFFIX, ROOM .. room_id .. ROOM_MESSAGES_SUFFIX
  epoch = call('HGET', log, 'epoch')
  if not epoch then
    epoch = ARGV[9]
    call('DEL', stream)
    call('HSET', log, 'epoch', epoch)
  end
  epoch = whole_epoch(epoch)
  channel = 'room:' .. room_id
  seq = call('HINCRBY', log, 'head', 1)
  call('XADD', stream, 'MAXLEN', ROOM_ENTRIES, seq .. '-0', 'a', at, 'b', body)
  if call('TTL', log) < ROOM_TTL_S / 2 then
    call('EXPIRE', stream, ROOM_TTL_S + 60)  -- The log never names a stream that is gone.
    call('EXPIRE', log, ROOM_TTL_S)
  end
  tell(ROOM_CHANNEL .. room_id, 'entry', channel, epoch, seq, at, body)
end

if number then
  if number > acked then
    call('HSET', sent, 'last', number, number, cmsgpack.pack({channel, epoch, seq, at}))
  else
    call('HSET', sent, 'last', number)
  end
  if last == 0 and acked == 0 then call('EXPIRE', sent, LIVE_TTL_S) end
end
return answer('ok', channel, epoch, seq, at, false)
