-- The only writes to a partition's hash. Each call is one atomic step of the store's command stream: a tail that is lost
-- in a crash or a fail-over is a tail of whole batches.
--
--   apply    KEYS hash            ARGV expected watermark ('' for none), watermark, field, value, field, value, ...
--   replace  KEYS hash, filling   ARGV expected watermark ('' for none), number of fields besides the watermark
--
-- Both answer the number of fields besides the watermark, or -1 where the watermark is not the expected one. `replace`
-- renames only a filling that holds as many as it should.
local WATERMARK = '\0header'
local ARGUMENTS_AT_ONCE = 4000 -- unpack() puts them on Lua's stack, which ends near 8000

if (redis.call('HGET', KEYS[1], WATERMARK) or '') ~= ARGV[1] then
  return -1
end

if KEYS[2] then
  local n = redis.call('HLEN', KEYS[2]) - 1
  if n == tonumber(ARGV[2]) then
    redis.call('UNLINK', KEYS[1])
    redis.call('RENAME', KEYS[2], KEYS[1])
    redis.call('PERSIST', KEYS[1])
  end
  return n
end

redis.call('HSET', KEYS[1], WATERMARK, ARGV[2])
for i = 3, #ARGV, ARGUMENTS_AT_ONCE do
  redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + ARGUMENTS_AT_ONCE - 1, #ARGV)))
end
return redis.call('HLEN', KEYS[1]) - 1
