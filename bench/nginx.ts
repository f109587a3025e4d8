import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, end, pidOf } from './child.ts';

const READY_MS = 5_000;

/** Debian's place is not on everybody's path. */
function findNginx(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'];
  return folders.map((folder) => join(folder, 'nginx')).find((path) => existsSync(path));
}

/**
 * One worker that passes everything on, with connections kept on both sides and nothing buffered on a disk: what a proxy
 * written in C costs. Undefined where nginx is not installed.
 */
export async function startNginx(upstream: number): Promise<Child | undefined> {
  const path = findNginx();
  if (path === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'llm-relay-bench-nginx-'));
  await chmod(folder, 0o711);
  const port = await freePort();
  await writeFile(join(folder, 'nginx.conf'), configuration(folder, port, upstream));
  const child = spawn(
    path,
    ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  const stop = async (): Promise<void> => {
    await end(child, 'SIGTERM');
    await rm(folder, { recursive: true, force: true });
  };
  const answers = await becomesReady(port);
  if (!answers) {
    await stop();
    throw new Error(`${path} did not listen within ${READY_MS / 1000} s`);
  }
  return { pid: pidOf(child), port, stop };
}

function configuration(folder: string, port: number, upstream: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (what) => `${what}_temp_path ${join(folder, what)};`,
  );
  return `
    daemon off;
    worker_processes 1;
    pid ${join(folder, 'nginx.pid')};
    events { worker_connections 8192; }
    http {
      access_log off;
      ${temporary.join('\n      ')}
      client_max_body_size 64m;
      client_body_buffer_size 1m;
      keepalive_requests 100000000;
      upstream bench { server 127.0.0.1:${upstream}; keepalive 128; keepalive_requests 100000000; }
      server {
        listen 127.0.0.1:${port} backlog=4096;
        location / {
          proxy_pass http://bench;
          proxy_http_version 1.1;
          proxy_set_header connection "";
          proxy_buffering off;
        }
      }
    }
  `;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

async function becomesReady(port: number): Promise<boolean> {
  for (const until = Date.now() + READY_MS; Date.now() < until; await sleep(20)) {
    const socket = connect(port, '127.0.0.1');
    const listens = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (listens) return true;
  }
  return false;
}
