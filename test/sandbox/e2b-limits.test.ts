import { e2b } from './e2b.ts'
import { featureTests } from './suite/features.ts'
import { limitTests } from './suite/limits.ts'

featureTests(e2b)
limitTests(e2b)
