import { ownClassTests } from './suite/own-classes.ts'
import { native } from './native.ts'

ownClassTests(native)
