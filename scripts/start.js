// npm start: sets up, then runs src/start/main.ts under Node 24 in the foreground.
import { launch } from './launch.js'
import { setUp } from './setup.js'

setUp()
await launch('src/start/main.ts')
