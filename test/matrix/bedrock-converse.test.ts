import { runDoor } from './run-door.ts';

runDoor('bedrockConverse');
