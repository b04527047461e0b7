-- What every script begins with: the time, the fence, logs, and telling nodes.
-- ARGV[1] is the time, or empty for Redis's own. Answers are msgpack: an outcome, then what belongs to it.

local call = redis.call

local function time()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local parts = call('TIME')
  return tonumber(parts[1]) + tonumber(parts[2]) / 1000000
end

local now = time()

local function answer(...)
  return cmsgpack.pack({...})
end

-- Lua's own conversion of numbers keeps 14 digits; a time in microseconds has 16.
local function exact(number)
  return string.format('%.17g', number)
end

local function tell(channel, ...)
  call('PUBLISH', channel, cmsgpack.pack({...}))
end

-- Indexes into a record.
local USER_ID, ROLE, STATE, GENERATION, CLAIMED, NODE_ID, EXPIRES_AT = 1, 2, 3, 4, 5, 6, 10

-- The record, in the order of Python's SessionRecord, or nil; a tombstone whose time is over is none.
local function load_record(id)
  local record = call('HMGET', SESSION .. id, 'user_id', 'role', 'state', 'generation', 'claimed', 'pod_id', 'stack',
    'connection_id', 'created_at', 'expires_at', 'handover_id', 'ended_reason')
  if not record[STATE] then return nil end
  if record[STATE] == 'ended' and tonumber(record[EXPIRES_AT]) <= now then return nil end
  return record
end

-- Why a connection with this generation may do nothing; nil if it may.
local function refusal(record, generation)
  if not record then return 'unknown' end
  if record[STATE] == 'ended' then return 'revoked' end
  if generation < tonumber(record[GENERATION]) then return 'superseded' end
  return nil
end

local function milliseconds()
  return math.floor(now * 1000)
end

-- An epoch as readers know it. It changes for all logs at once when Redis may have lost entries that were acknowledged:
-- their numbers will be given out again.
local function whole_epoch(epoch)
  return epoch .. '.' .. (call('GET', INCARNATION) or '')
end

-- An entry of the system into a session's mailbox, which takes it even if it is full.
local function append(id, body)
  local key = SESSION .. id
  local box = call('HMGET', key, 'epoch', 'reads', 'state', 'pod_id')
  if not box[1] or box[3] == 'ended' then return end
  local seq = call('HINCRBY', key, 'head', 1)
  local at = milliseconds()
  if box[2] == '0' then
    call('XADD', MESSAGES .. id, 'MAXLEN', MAILBOX_ENTRIES, seq .. '-0', 'a', at, 'b', body)
  else
    call('XADD', MESSAGES .. id, seq .. '-0', 'a', at, 'b', body)
  end
  if seq == 1 then call('EXPIRE', MESSAGES .. id, LIVE_TTL_S) end
  if box[3] == 'connected' then
    tell(NODE_CHANNEL .. box[4], 'entry', 'session:' .. id, whole_epoch(box[1]), seq, at, body)
  end
end

local function sequence_of(row)
  return tonumber(string.match(row[1], '^%d+'))
end

-- A Backlog as Python reads it: {epoch, head, reset, more, {{seq, at, body}, ...}}.
local function read_log(stream, epoch, head, after_epoch, after_seq, limit)
  local first = call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  local gone = first and sequence_of(first) - 1 or head
  local from, reset = gone, false
  if after_epoch ~= '' or after_seq > 0 then
    reset = after_epoch ~= epoch or after_seq < gone or after_seq > head
    if not reset then from = after_seq end
  end
  local entries = {}
  if limit > 0 and from < head then
    for index, row in ipairs(call('XRANGE', stream, (from + 1) .. '-0', '+', 'COUNT', limit)) do
      entries[index] = {sequence_of(row), tonumber(row[2][2]), row[2][4]}
    end
  end
  return {epoch, head, reset, from + #entries < head, entries}
end
