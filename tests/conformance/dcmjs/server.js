// A DICOM server on dcmjs-dimse: node server.js TITLE GATEWAY_TITLE GATEWAY_PORT FAILED_UID. It stores, commits to what
// it is asked for but FAILED_UID, and reports on an association of its own; what is reported to it is answered 0000.
// Prints one JSON document a line: {"port"} first, then what happens. Ends with its standard input.
'use strict';

const net = require('net');
const { Client, Dataset, Scp, Server, association, constants, log, requests, responses } = require('dcmjs-dimse');

log.setLevel('silent');

const { PresentationContextResult, SopClass, Status, TransferSyntax } = constants;
const COMMITMENT = SopClass.StorageCommitmentPushModel;
const INSTANCE = '1.2.840.10008.1.20.1.1';
const NO_SUCH_OBJECT = 0x0112;
const [title, gateway, gatewayPort, failedUid] = process.argv.slice(2);

const say = (happened) => process.stdout.write(`${JSON.stringify(happened)}\n`);
const listed = (sequence) => (sequence === undefined ? [] : [].concat(sequence));
const uids = (sequence) => listed(sequence).map((item) => item.ReferencedSOPInstanceUID);

function report(asked) {
  const wanted = listed(asked.ReferencedSOPSequence).map((item) => ({
    ReferencedSOPClassUID: item.ReferencedSOPClassUID,
    ReferencedSOPInstanceUID: item.ReferencedSOPInstanceUID,
  }));
  const bad = wanted.filter((item) => item.ReferencedSOPInstanceUID === failedUid);
  const good = wanted.filter((item) => item.ReferencedSOPInstanceUID !== failedUid);
  const elements = { TransactionUID: asked.TransactionUID };
  if (good.length) elements.ReferencedSOPSequence = good;
  if (bad.length) elements.FailedSOPSequence = bad.map((item) => ({ ...item, FailureReason: NO_SUCH_OBJECT }));

  const request = new requests.NEventReportRequest(COMMITMENT, INSTANCE, bad.length ? 2 : 1);
  request.setDataset(new Dataset(elements, TransferSyntax.ImplicitVRLittleEndian));
  request.on('response', (response) => say({ told: asked.TransactionUID, status: response.getStatus() }));
  const client = new Client();
  client.addRequest(request);
  const context = new association.PresentationContext(
    1, COMMITMENT, TransferSyntax.ImplicitVRLittleEndian, undefined, false, true
  );
  client.addAdditionalPresentationContext(context);
  client.on('networkError', (error) => say({ fault: String(error.message || error) }));
  client.send('127.0.0.1', Number(gatewayPort), title, gateway);
}

class Archive extends Scp {
  associationRequested(proposal) {
    proposal.getPresentationContexts().forEach(({ context }) => {
      context.setResult(PresentationContextResult.Accept, context.getTransferSyntaxUids()[0]);
    });
    this.sendAssociationAccept();
  }

  cStoreRequest(request, callback) {
    say({ stored: request.getAffectedSopInstanceUid() });
    const response = responses.CStoreResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  }

  nActionRequest(request, callback) {
    const asked = request.getDataset().getElements();
    say({ asked: asked.TransactionUID, instances: uids(asked.ReferencedSOPSequence) });
    const response = responses.NActionResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
    setTimeout(() => report(asked), 200);
  }

  nEventReportRequest(request, callback) {
    const told = request.getDataset().getElements();
    say({
      heard: told.TransactionUID,
      event: request.getEventTypeId(),
      committed: uids(told.ReferencedSOPSequence),
      failed: uids(told.FailedSOPSequence),
    });
    const response = responses.NEventReportResponse.fromRequest(request);
    response.setStatus(Status.Success);
    callback(response);
  }

  associationReleaseRequested() {
    this.sendAssociationReleaseResponse();
  }
}

// dcmjs-dimse does not tell on which port it listens: take a free one first.
const probe = net.createServer().listen(0, '127.0.0.1', () => {
  const { port } = probe.address();
  probe.close(() => {
    const server = new Server(Archive);
    server.on('networkError', (error) => say({ fault: String(error.message || error) }));
    server.listen(port);
    say({ port });
  });
});
process.stdin.on('end', () => process.exit(0)).resume();
