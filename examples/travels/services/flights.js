// Flights of a city.
import { databasePrice, offer } from './offer.js'

offer('flights', (city) => databasePrice('flights', city))
