-- Ends a claim without an answer; gives quota back where that is certain to be right.
function operations.release(release)
  local day = not release.is_maybe_published and release.quota_day or nil
  if release.claim then
    local record = read(release.claim)
    if not record or record.token ~= release.claim.token then
      return true
    end
    day = release_claim(record, release.claim, release.is_maybe_published)
  end
  if day then
    refund(release.client_key, day)
  end
  return true
end
