-- Answers in HAProxy's place where no replica is left, after it has read the request to its end.
-- HAProxy 2.8 itself answers at once and closes the connection; a client that is still sending then
-- sees a reset instead of the answer (HAProxy reads such requests to their end since 3.0:
-- https://github.com/haproxy/haproxy/issues/2404).
-- Arguments: the most bytes that are read, the seconds after which to ask again, the answer's body.
local most, retry, body = ...
local CHUNK = 65536

local function unavailable(applet)
    local left = tonumber(most)
    while left > 0 do
        local part = applet:receive(math.min(left, CHUNK))
        if part == nil or #part == 0 then
            break
        end
        left = left - #part
    end
    applet:set_status(503)
    applet:add_header("content-type", "application/json")
    applet:add_header("content-length", tostring(#body))
    applet:add_header("retry-after", retry)
    applet:start_response()
    applet:send(body)
end

core.register_service("rayline-unavailable", "http", unavailable)
