-- What `admit` would say to a claim; reads only.
function operations.look_up(claim)
  local record = read(claim)
  local verdict = judge(record, claim)
  if verdict == 'fresh' or verdict == 'takeover' then
    return {verdict = 'fresh'}
  end
  return refusal(record, claim, verdict)
end
