-- Fields from the comments that `lbtrace merge` and `lbtrace extract` write: lbtrace.pair == 1,
-- lbtrace.problem == "P1", lbtrace.finding contains "race".
-- In front of the first ": " of a comment stand lbtrace's own words; only they become fields.

local lbtrace = Proto("lbtrace", "lbtrace")

local numbers = {
  pair = ProtoField.uint32("lbtrace.pair", "Pair", base.DEC, nil, nil, "The exchange, as lbtrace numbers it"),
}
local texts = {
  unpaired = ProtoField.string("lbtrace.unpaired", "Without a partner"),
  side = ProtoField.string("lbtrace.side", "Side"),
  attempt = ProtoField.string("lbtrace.attempt", "Attempt"),
  outcome = ProtoField.string("lbtrace.outcome", "How the attempt ended"),
  tier = ProtoField.string("lbtrace.tier", "Paired by"),
  confidence = ProtoField.string("lbtrace.confidence", "Confidence"),
  reason = ProtoField.string("lbtrace.reason", "Why it has no partner"),
  problem = ProtoField.string("lbtrace.problem", "Problem"),
  finding = ProtoField.string("lbtrace.finding", "Finding"),
  severity = ProtoField.string("lbtrace.severity", "Severity"),
  compared = ProtoField.string("lbtrace.compared", "To compare with"),
}
local capture = ProtoField.string("lbtrace.capture", "Capture")
local frame = ProtoField.uint32("lbtrace.frame", "Frame in that capture")
local note = ProtoField.string("lbtrace.note", "Note")

local fields = { capture, frame, note }
for _, held in ipairs({ numbers, texts }) do
  for _, field in pairs(held) do
    fields[#fields + 1] = field
  end
end
lbtrace.fields = fields

local comment = Field.new("frame.comment")

-- adds a comment to the fields of its packet; `known` are the values that the packet has already
local function add(tree, place, known, text)
  local name, number, said, told = text:match("^lbtrace (%S+) #(%d+) (.-): (.*)$")
  if not name then
    return place
  end
  if not place then
    place = tree:add(lbtrace, "lbtrace: " .. name .. " #" .. number)
    place:add(capture, name)
    place:add(frame, tonumber(number))
  end
  local part = place:add(note, told)
  for key, value in said:gmatch("(%w+)=(%S+)") do
    local field = numbers[key] or texts[key]
    if field and not known[key .. "=" .. value] then
      known[key .. "=" .. value] = true
      part:add(field, numbers[key] and tonumber(value) or value)
    end
  end
  return place
end

function lbtrace.dissector(_, _, tree)
  local place, known = nil, {}
  for _, found in ipairs({ comment() }) do
    place = add(tree, place, known, tostring(found.value))
  end
end

register_postdissector(lbtrace)
