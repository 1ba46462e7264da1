// Every behaviour, on both engines, in one mesh.
import './routing.ts'
import './internal-listener.ts'
import './gateways.ts'
import './balancing.ts'
import './faults.ts'
import './headers.ts'
import './protocols.ts'
import './habits.ts'
