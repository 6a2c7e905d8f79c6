-- Store an entry (E) or a tombstone (T) unless a higher revision is there already.
-- KEYS[1]: the name's key. ARGV: revision (20 digits), kind, sealed bytes, lifetime in milliseconds.
local held = ''
if redis.call('TYPE', KEYS[1]).ok == 'string' then
    held = redis.call('GETRANGE', KEYS[1], 0, 21)
end
local known = string.match(held, '^1(%d+)[ET]$')
if known and #known == 20 then
    -- Equal length, so that comparing the texts compares the numbers, beyond what a Lua number holds.
    if known > ARGV[1] or (known == ARGV[1] and ARGV[2] == 'T') then
        return 0
    end
end
redis.call('SET', KEYS[1], '1' .. ARGV[1] .. ARGV[2] .. ARGV[3], 'PX', ARGV[4])
return 1
