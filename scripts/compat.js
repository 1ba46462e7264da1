// npm run compat: sets up, then runs test/compat/main.ts under Node 24.
import { launch } from './launch.js'
import { setUp } from './setup.js'

setUp()
await launch('test/compat/main.ts')
