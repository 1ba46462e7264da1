import { readFileSync } from 'node:fs'
import { loadConfig } from '../common/config.ts'
import { createMetrics, HealthServer } from '../common/health.ts'
import { run, type Part } from '../common/lifecycle.ts'
import { createLogger } from '../common/log.ts'
import { messageOf } from '../common/problem.ts'
import { readTls } from '../common/tls.ts'
import { dropletFile } from './cc/droplets.ts'
import { FoundationConfig } from './config.ts'
import { createDiego } from './diego/index.ts'
import { blobFolder, createFoundation } from './foundation.ts'

const config = loadConfig('foundation', FoundationConfig)
const log = createLogger('foundation', config.log.level)
const { cells, bbs, certificate: files } = config

const diego = createDiego({
  dataDir: config.data,
  dropletFile: (guid) => dropletFile(blobFolder(config.data), guid),
  bbs: { listen: bbs.listen, tls: readTls(bbs.tls) },
  routerCa: readFileSync(cells.routerCa, 'utf8'),
  routerNames: cells.routerNames,
  identityAuthority: { certificate: readFileSync(cells.ca, 'utf8'), key: readFileSync(cells.caKey, 'utf8') },
  address: cells.host,
  cells: Array.from({ length: cells.count }, (_, at) => ({ id: `cell-${at + 1}`, zone: `z${at + 1}` })),
  handoverMs: cells.handover * 1000,
  log,
})
const certificate = files && { cert: readFileSync(files.certificate), key: readFileSync(files.key) }
const foundation = await createFoundation({ ...config, diego, certificate, log }).catch((error: unknown) => {
  log.fatal({ err: error }, `cannot start: ${messageOf(error)}`)
  process.exit(1)
})

const adoption: Part = { name: 'adoption', start: () => diego.adopt(), stop: async () => {} }
let up = false
const ready: Part = {
  name: 'ready',
  start: async () => {
    up = true
  },
  stop: async () => {
    up = false
  },
}
const health = new HealthServer({
  component: 'foundation',
  listen: config.health.listen,
  metrics: createMetrics('foundation'),
  conditions: { start: () => ({ ready: up, ...(!up && { reason: 'starting' }) }) },
})

await run([health, adoption, ...foundation.parts, diego, ready], log)
