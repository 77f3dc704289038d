import test from "ava"
import { secondsBeyond } from "./helpers/guardLog.ts"

const ARMED = "2026-01-02T03:00:00Z armed: Make the bridge xenbr0"
const MADE = "2026-01-02T03:00:10Z the change is made"

const cases: [sentence: string, log: string[], beyond: number | undefined][] = [
  [
    "a guard's time is counted from when it was armed",
    [
      ARMED,
      MADE,
      "2026-01-02T03:00:40Z nobody confirmed in time: …",
      "2026-01-02T03:00:45Z the old setting is back",
    ],
    5,
  ],
  [
    "a change that failed is back before its time is over",
    [ARMED, "2026-01-02T03:00:05Z the change failed: …", "2026-01-02T03:00:07Z the old setting is back"],
    -33,
  ],
  [
    "after a power cut only the way back counts",
    [
      ARMED,
      MADE,
      "2026-01-02T03:09:00Z the machine was restarted before …",
      "2026-01-02T03:09:01Z the old files are back",
    ],
    1,
  ],
  [
    "a boot on trial has all of the time once more",
    [
      ARMED,
      MADE,
      "2026-01-02T03:05:00Z the machine runs the trial: …",
      "2026-01-02T03:06:00Z the old setting is back",
    ],
    20,
  ],
  ["what was confirmed took nothing back", [ARMED, MADE, "2026-01-02T03:00:12Z confirmed"], undefined],
]
for (const [sentence, log, beyond] of cases) {
  test(sentence, t => t.is(secondsBeyond(`${log.join("\n")}\n`, 40), beyond))
}
