// npm run bench: sets up, then runs bench/main.ts under Node 24.
import { launch } from './launch.js'
import { setUp } from './setup.js'

setUp()
await launch('bench/main.ts')
