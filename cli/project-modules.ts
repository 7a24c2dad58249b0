// For `flotilla test`: a process that imports this loads a project's files as a fleet does.
import { hookProjectModules } from '../runtime/config/project/modules.ts'

hookProjectModules()
