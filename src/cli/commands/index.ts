import type { Register } from '../cli.ts'
import { apps } from './apps.ts'
import { dev } from './dev.ts'
import { instances } from './instances.ts'
import { routers } from './routers.ts'
import { routes } from './routes.ts'
import { services } from './services.ts'
import { status } from './status.ts'
import { sync } from './sync.ts'
import { trace } from './trace.ts'

/** Every command of meshctl, in the order of its help. */
export const commands: Register[] = [routes, trace, services, apps, instances, routers, status, sync, dev]
