import { awsFault, secretOf, SESSION_TOKEN_PREFIX } from './aws-credentials.ts';
import type { Keyring } from './credentials.ts';
import type { Exchange, Vendor } from './exchange.ts';
import type { Fault } from './faults.ts';
import type { Reply } from './reply.ts';

const NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/';

/**
 * AWS STS, as far as a role is assumed there (AWS STS API reference, AssumeRole): every call gives other temporary keys,
 * good for the seconds asked for, or for `expires-in`. State: how many keys were given.
 */
export function sts(keyring: Keyring): Vendor {
  let given = 0;
  return {
    name: 'sts',
    operation: () => ({ name: 'AssumeRole', model: undefined, counted: false }),
    lastText: () => '',
    answer(exchange) {
      const fault = awsFault(exchange, keyring, 'sts');
      if (fault !== undefined) {
        const code = fault.name.replace(/Exception$/, '');
        return refusal(exchange, { status: 403, type: code, message: fault.message });
      }
      const form = new URLSearchParams(exchange.body.toString());
      if (form.get('Action') !== 'AssumeRole') {
        return refusal(exchange, { status: 400, type: 'InvalidAction', message: 'Only AssumeRole is known' });
      }
      given += 1;
      return assumed(exchange, form, `ASIASIMROLE${String(given).padStart(9, '0')}`);
    },
    refuse: refusal,
  };
}

function assumed(exchange: Exchange, form: URLSearchParams, accessKeyId: string): Reply {
  const role = form.get('RoleArn') ?? '';
  const seconds = exchange.fault.expiresIn ?? Number(form.get('DurationSeconds') ?? 3600);
  const session = `${role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/${form.get('RoleSessionName') ?? ''}`;
  return xml(
    200,
    `<AssumeRoleResponse xmlns="${NAMESPACE}"><AssumeRoleResult><Credentials><AccessKeyId>${accessKeyId}</AccessKeyId>` +
      `<SecretAccessKey>${secretOf(accessKeyId)}</SecretAccessKey>` +
      `<SessionToken>${SESSION_TOKEN_PREFIX}${accessKeyId}</SessionToken>` +
      `<Expiration>${new Date(Date.now() + seconds * 1000).toISOString()}</Expiration></Credentials>` +
      `<AssumedRoleUser><Arn>${escaped(session)}</Arn><AssumedRoleId>AROASIM:${accessKeyId}</AssumedRoleId></AssumedRoleUser>` +
      `</AssumeRoleResult><ResponseMetadata><RequestId>${exchange.requestId}</RequestId></ResponseMetadata></AssumeRoleResponse>`,
  );
}

function refusal(exchange: Exchange, fault: Fault): Reply {
  const status = fault.status ?? 500;
  const code = fault.type ?? (status === 403 ? 'AccessDenied' : 'InternalFailure');
  const said = fault.message ?? 'User is not authorized to perform: sts:AssumeRole';
  const message = fault.echo === true ? `${said} (${exchange.credential.value ?? ''})` : said;
  return xml(
    status,
    `<ErrorResponse xmlns="${NAMESPACE}"><Error><Type>Sender</Type><Code>${escaped(code)}</Code>` +
      `<Message>${escaped(message)}</Message></Error><RequestId>${exchange.requestId}</RequestId></ErrorResponse>`,
  );
}

function xml(status: number, text: string): Reply {
  return { status, headers: { 'content-type': 'text/xml' }, frames: [Buffer.from(text)] };
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
