import { testBoundaries } from "../support/boundaries.ts"
import { blows } from "../support/interrupted.ts"

testBoundaries(blows.killedBefore)
