"""smpp34's server as a process of its own: accepts every message and reports it. Its argument is its port.

In a process of its own because its threads do not survive the end of an interpreter.
"""

import asyncio
import sys

import smpp34


async def main(port: int) -> None:
    """Serve until killed."""
    server = smpp34.Server("127.0.0.1", port, system_id="other")
    await server.start()
    print("ready", flush=True)
    receivers: list[smpp34.Esme] = []
    reports: set[asyncio.Task[None]] = set()
    count = 0
    while True:
        event = await server.next()
        if isinstance(event, smpp34.Esme):
            receivers.append(event)
        elif isinstance(event, smpp34.SubmitSmEvent):
            count += 1
            event.accept(f"{count:08X}")
            report = asyncio.create_task(_report(receivers[-1], event.source_addr, event.destination_addr, count))
            reports.add(report)
            report.add_done_callback(reports.discard)


async def _report(receiver: smpp34.Esme, source: str, destination: str, number: int) -> None:
    text = f"id:{number:010} sub:001 dlvrd:001 submit date:2603011200 done date:2603011201 stat:DELIVRD err:000 text:"
    answer = await receiver.deliver_sm(source, text.encode(), source_addr=destination, esm_class=4)
    print(f"answered {answer.command_status}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
