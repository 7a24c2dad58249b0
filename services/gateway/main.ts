import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import { registerRoutes } from './routes/tasks.ts'

export const gateway: Service = { name: 'gateway', routes: registerRoutes }

if (import.meta.main) await runService(gateway)
