import { featureTests } from './suite/features.ts'
import { native } from './native.ts'

featureTests(native)
