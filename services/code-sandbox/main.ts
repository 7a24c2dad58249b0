import { runService } from '../../runtime/host/run.ts'
import type { Service } from '../../runtime/service.ts'
import { createCallers } from './caller.ts'
import { wasmOptions } from './config.ts'
import { WasmExecutor } from './executors/wasm/wasm-executor.ts'
import { createCodeSandboxStage } from './stage.ts'

export const codeSandbox: Service = {
  name: 'code-sandbox',
  stage: createCodeSandboxStage,
  callers: ({ fleet, environment }) => {
    const wasm = new WasmExecutor(wasmOptions(fleet, environment))
    void wasm.warm()
    return {
      callers: createCallers(new Map([[wasm.name, wasm]])),
      check: () => wasm.check(),
      close: () => wasm.close(),
    }
  },
}

if (import.meta.main) await runService(codeSandbox)
