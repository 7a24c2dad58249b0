// Doctor's checks by HTTP: of this process, with what it has open.
import type { FastifyInstance } from 'fastify'
import { operator as routes } from '../../../api/routes.ts'
import { checksOf, configuration, type Check } from '../../../operator/doctor/checks.ts'
import { Doctor } from '../../../operator/doctor/doctor.ts'
import type { RoutesContext } from '../../../runtime/service.ts'
import { probeIssuer, probeMcpServer, probeModel, probeSandbox } from '../../probes.ts'
import { serve } from './serve.ts'

export function doctorRoutes(app: FastifyInstance, context: RoutesContext): void {
  const doctor = new Doctor(() => checks(context))
  serve(app, routes.doctor, () => doctor.report())
}

function checks({ fleet, environment, schemas, services, log, codec, ...stores }: RoutesContext): Check[] {
  return [
    { name: 'configuration', run: () => configuration(fleet) },
    ...checksOf({
      environment,
      fleet,
      schemas,
      stores: async () => stores,
      withLog: (work) => work(log),
      codec: () => codec,
      probes: { model: probeModel, sandbox: probeSandbox, mcpServer: probeMcpServer, issuer: probeIssuer },
      isHere: (service) => services.includes(service),
      heldBy: null,
    }),
  ]
}
