// npm run fuzz: sets up, then runs test/fuzz/main.ts under Node 24.
import { launch } from './launch.js'
import { setUp } from './setup.js'

setUp()
await launch('test/fuzz/main.ts')
