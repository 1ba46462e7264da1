import type { Register } from '../cli.ts'
import { apply } from './apply.ts'
import { apps } from './apps.ts'
import { deleteResources } from './delete.ts'
import { dev } from './dev.ts'
import { diff } from './diff.ts'
import { ejections } from './ejections.ts'
import { explain } from './explain.ts'
import { get } from './get.ts'
import { login, logout } from './login.ts'
import { history } from './history.ts'
import { instances } from './instances.ts'
import { rollback } from './rollback.ts'
import { routers } from './routers.ts'
import { routes } from './routes.ts'
import { secret } from './secret.ts'
import { services } from './services.ts'
import { status } from './status.ts'
import { sync } from './sync.ts'
import { freeze, ignoreSpace, unfreeze } from './switches.ts'
import { trace } from './trace.ts'
import { validate } from './validate.ts'
import { wait } from './wait.ts'

/** Every command of meshctl, in the order of its help. */
export const commands: Register[] = [
  login,
  logout,
  routes,
  trace,
  services,
  apps,
  instances,
  ejections,
  routers,
  status,
  sync,
  apply,
  diff,
  get,
  deleteResources,
  validate,
  explain,
  wait,
  history,
  rollback,
  secret,
  freeze,
  unfreeze,
  ignoreSpace,
  dev,
]
