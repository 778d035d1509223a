"""Vendors that a simulated carrier can play: `smsgw mock-provider --as twilio`, or `"as": "twilio"` in `--config`.

The vendor's official client, pointed at the simulator, can send and ask; reports come as the vendor makes and signs
them. The carrier stays what it was: latency, magic numbers, rates, outages, ledger, reports late, twice or never. A
vendor's file only says how all this looks on the wire. It is pure: no clock, no dice, no I/O. To add one, write
`vendors/<kind>.py`:

1. A subclass of `base.Vendor`; `VENDOR = ThatClass` at the end. The file's name is the kind; there is no list.
2. `routes: ClassVar`: name -> "METHOD /path/{part}". A carrier answers below `/{its name}`, `default` also at the
   root. The route's name comes back as `call.route`, the parts of the path as `call.parts`.
3. `credential_defaults: ClassVar`: name -> what holds when nobody says otherwise; `--credential name=value` changes it.
   Read them with `self.credentials["name"]`, compare with `self.has("name", given)`. What signs reports is one of them.
4. `read(call)` authenticates, then reads. It returns `Asked` (one message: to, text, sender, reference, callback),
   `Question` (a look-up by message id, by reference, or a list), a `Refusal`, or a `Reply` for whatever else the
   vendor's client wants (a token, a certificate). `call.form`, `.json`, `.object`, `.basic`, `.bearer` and
   `.parameters` read without raising. Where the vendor has no reference, `reference_in(callback)` finds ours in the
   callback's query, so that ledgers can be compared.
5. `accepted(entry, asked)`: the answer of an acceptance. `new_id(token)` makes ids of the vendor's form.
6. `refused(refusal)`: every `Refusal` in the vendor's words. The caller adds Retry-After.
7. `found(question, entries)`: the answer of a look-up; without entries it is only asked for `is_list`.
8. `reports(news)`: the calls (`Outgoing`: url, body, headers with the signature) that tell `news.status` (`sent`,
   `delivered`, `undelivered`) of `news.entry` to `news.url`: the message's callback, else `webhook_url`.

Tests: `tests/conformance/test_<kind>.py` sends with the vendor's own SDK and checks reports with its validators, on
`tests/conformance/simulated.py`; a row in docs/reference/simulator.md tells the credentials.
"""
