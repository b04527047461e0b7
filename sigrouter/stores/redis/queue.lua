-- Who gets which worker: the rules of sigrouter/machines/pairing.py, over Redis's indexes.

local PAGE = 64

local function has_all(wanted, abilities)
  if #wanted == 0 then return true end
  local has = {}
  for _, ability in ipairs(cmsgpack.unpack(abilities)) do has[ability] = true end
  for _, ability in ipairs(wanted) do
    if not has[ability] then return false end
  end
  return true
end

-- The first that can serve, by load and then by turn, is the best.
local function find_worker(wanted)
  local start = 0
  while true do
    local slots = call('ZRANGE', WORKERS, start, start + PAGE - 1)
    for _, slot in ipairs(slots) do
      local id = string.sub(slot, 18)
      local abilities = call('HGET', WORKER .. id, 'abilities')
      if not abilities then
        call('ZREM', WORKERS, slot)  -- Its EXPIRE came before its end.
      elseif has_all(wanted, abilities) then
        return id
      end
    end
    if #slots < PAGE then return nil end
    start = start + PAGE
  end
end

-- Serve the queue in its order; one that cannot be served holds up no later one that can. ``fresh_id`` makes pair ids.
local function serve_queue(fresh_id)
  local paired, hopeless, start = {}, {}, 0
  while call('ZCARD', WORKERS) > 0 do
    local waiting = call('ZRANGE', QUEUE, start, start + PAGE - 1)
    for _, id in ipairs(waiting) do
      start = start + 1
      local request = call('HMGET', REQUEST .. id, 'abilities', 'deadline_at')
      local wanted = request[1]
      if not wanted then
        leave_queue(id)
        start = start - 1
      elseif tonumber(request[2]) > now and not hopeless[wanted] then
        local worker = find_worker(cmsgpack.unpack(wanted))
        if worker then
          leave_queue(id)
          start = start - 1
          paired[#paired + 1] = bind(id, worker, #paired == 0 and fresh_id or fresh_id .. '-' .. #paired)
        else
          hopeless[wanted] = true
        end
      end
    end
    if #waiting < PAGE then break end
  end
  return paired
end
