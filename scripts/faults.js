// npm run faults: sets up, then runs test/faults/main.ts under Node 24.
import { launch } from './launch.js'
import { setUp } from './setup.js'

setUp()
await launch('test/faults/main.ts')
