-- Markdown to HTML or Typst, all pieces of a report in one process: `pandoc lua markdown.lua < request.json`.
-- Request: target ("html" or "typst"), pieces (text, inline), references (label -> "Figure 3"), tags (HTML to keep).
-- Answer: pieces (converted text) and headings (level, id, number, text), or a message and exit status 1.
-- Headings are numbered here and links are checked here, so both formats agree.

local DIALECT = 'gfm-yaml_metadata_block+tex_math_dollars'  -- as Jupyter reads it: no citations, no line blocks
local OPTIONS = {html_math_method = 'mathml', wrap_text = 'none'}
local request = pandoc.json.decode(io.read('a'), false)
local html = request.target == 'html'
local allowed = {}
for _, tag in ipairs(request.tags) do allowed[tag] = true end
local headings, counters, used_ids, link_targets = {}, {}, {}, {}
local filter

local function fail(message)
  io.stderr:write(message, '\n')
  os.exit(1, true)
end

local function write(blocks)
  return (pandoc.write(pandoc.Pandoc(blocks), request.target, OPTIONS):gsub('%s+$', ''))
end

local function raw(text)
  return pandoc.RawInline(request.target, text)
end

local function literal(text)
  return '"' .. text:gsub('\\', '\\\\'):gsub('"', '\\"'):gsub('%s', ' ') .. '"'
end

-- "Grad-CAM maps" -> "Grad-CAM-maps", as JupyterLab does: one link works in Lab, HTML and PDF
local function jupyter_id(text)
  return (text:gsub('%s+', '-'):gsub('[^%w%-_%.:\128-\255]', ''))
end

local function unique_id(text)
  local wanted = jupyter_id(text)
  if wanted == '' then wanted = 'section' end
  local id, copies = wanted, 0
  while used_ids[id] or request.references[id] do
    copies = copies + 1
    id = wanted .. '-' .. copies
  end
  used_ids[id] = true
  return id
end

local function Math(formula)
  local text = write({pandoc.Plain({formula})})
  local found = html and text:match('^<math.*</math>$') or text:match('^%$.*%$$')
  if not found then fail('cannot convert this formula: ' .. formula.text) end
  if html then return raw((found:gsub('^<math display="block"', '<math tabindex="0" display="block"'))) end
  return raw('#formula(' .. literal(formula.text) .. ', ' .. found .. ');')
end

-- The title is level 1 in HTML; a section below another goes one level down, never two (PDF/UA-1 demands it)
local function Header(heading)
  local depth = math.min(math.max(heading.level - 1, 1), #counters + 1)
  counters[depth] = (counters[depth] or 0) + 1
  for deeper = #counters, depth + 1, -1 do counters[deeper] = nil end
  local number = table.concat(counters, '.')
  heading.attr = pandoc.Attr(unique_id(pandoc.utils.stringify(heading.content)))
  heading.level = html and depth + 1 or depth
  local unlinked = heading.content:walk({Link = function(link) return link.content end})
  local text = write({pandoc.Plain(unlinked)})
  table.insert(headings, {level = depth, id = heading.identifier, number = number, text = text})
  if html then heading.content:insert(1, raw('<span class="number">' .. number .. '</span> ')) end
  return heading
end

local function Link(link)
  if link.target:sub(1, 1) == '#' then
    local label = link.target:sub(2)
    local name = request.references[label]
    if #link.content == 0 then
      if not name then fail('no figure or table has the label "' .. label .. '"') end
      link.content = {pandoc.Str((name:gsub(' ', '\u{a0}')))}
    end
    if not name then label = jupyter_id(label) end
    table.insert(link_targets, label)
    link.target = '#' .. label
    return link
  end
  local scheme = link.target:match('^%s*([%a][%w+.-]*):')
  if scheme and not (scheme == 'http' or scheme == 'https' or scheme == 'mailto') then return link.content end
  return link
end

-- Only embedded pictures are shown; a report that is forwarded can load no other
local function Image(image)
  local alt = pandoc.utils.stringify(image.caption)
  if not image.src:match('^data:image/') then
    return pandoc.Link(alt ~= '' and alt or image.src, image.src)
  end
  if html then return image end
  local width = tonumber((image.attributes.width or ''):match('^%d+')) or 'none'
  local arguments = {literal(image.src), literal(alt ~= '' and alt or 'Picture'), width}
  return raw('#markdown-image(' .. table.concat(arguments, ', ') .. ');')
end

local function CodeBlock(block)
  if html then block.classes = {} end
  return block
end

local function Table(block)
  if not html then return block end
  local open, close = '<div class="scroll" tabindex="0">', '</div>'
  return {pandoc.RawBlock('html', open), block, pandoc.RawBlock('html', close)}
end

local function is_allowed(text)
  for tag in text:gsub('<!%-%-.-%-%->', ''):gmatch('<%s*/?%s*([%a][^%s/>]*)') do
    if not allowed[tag:lower()] then return false end
  end
  return true
end

-- HTML in Markdown: what may not stay is shown as the text it is; for Typst the rest is read as HTML
local function RawInline(element)
  if not is_allowed(element.text) then return pandoc.Str(element.text) end
  if html then return element end
  return pandoc.utils.blocks_to_inlines(pandoc.read(element.text, 'html').blocks:walk(filter))
end

local function RawBlock(element)
  if not is_allowed(element.text) then return pandoc.Para({pandoc.Str(element.text)}) end
  if html then return element end
  return pandoc.read(element.text, 'html').blocks:walk(filter)
end

filter = {Math = Math, Header = Header, Link = Link, Image = Image, CodeBlock = CodeBlock, Table = Table,
          RawInline = RawInline, RawBlock = RawBlock}

local converted = {}
for position, piece in ipairs(request.pieces) do
  local blocks = pandoc.read(piece.text .. '\n', DIALECT).blocks
  if piece.inline then blocks = pandoc.Blocks({pandoc.Plain(pandoc.utils.blocks_to_inlines(blocks))}) end
  local text = write(blocks:walk(filter))
  -- footnotes are numbered from 1 in every piece: keep their ids apart
  if html then
    text = text:gsub('(["#])(fnr?e?f?)(%d+)"', '%1%2' .. position .. '-%3"')
    text = text:gsub('id="footnotes"', 'id="footnotes-' .. position .. '"')
  end
  converted[position] = text
end
for _, label in ipairs(link_targets) do
  if not (used_ids[label] or request.references[label]) then
    fail('no heading, figure or table is called "' .. label .. '"')
  end
end
print(pandoc.json.encode({pieces = converted, headings = headings}))
