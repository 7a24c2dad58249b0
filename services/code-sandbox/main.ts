import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import { createCallers } from './caller.ts'
import { openExecutors } from './executors/open.ts'
import { createCodeSandboxStage } from './stage.ts'

export const codeSandbox: Service = {
  name: 'code-sandbox',
  stage: createCodeSandboxStage,
  callers: ({ fleet, environment, instruments }) => {
    const executors = openExecutors(fleet, environment, instruments)
    void executors.warm()
    return {
      callers: createCallers(executors),
      check: () => executors.check(),
      close: () => executors.close(),
    }
  },
}

if (import.meta.main) await runService(codeSandbox)
