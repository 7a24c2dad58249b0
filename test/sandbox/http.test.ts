import { http } from './http.ts'
import { featureTests } from './suite/features.ts'
import { killedTests } from './suite/killed.ts'
import { ownClassTests } from './suite/own-classes.ts'
import { replayTests } from './suite/replay.ts'
import { semanticsTests } from './suite/semantics.ts'

semanticsTests(http)
featureTests(http)
ownClassTests(http)
replayTests(http)
killedTests(http)
