import { runDoor } from './run-door.ts';

runDoor('bedrockInvoke');
