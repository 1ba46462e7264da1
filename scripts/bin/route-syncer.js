#!/usr/bin/env node
import { launch } from '../launch.js'

await launch('src/route-syncer/main.ts')
