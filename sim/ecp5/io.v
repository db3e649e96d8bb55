// Pads, and the delay beside them.

`timescale 1ps / 1ps

module IB (
    input  I,
    output O
);
  assign O = I;
endmodule

module OB (
    input  I,
    output O
);
  assign O = I;
endmodule

module OBZ (
    input  I,
    input  T,
    output O
);
  assign O = T ? 1'bz : I;
endmodule

module BB (
    input  I,
    input  T,
    output O,
    inout  B
);
  assign B = T ? 1'bz : I;
  assign O = B;
endmodule

// Each step delays by 25 ps. A's rising edges must be further apart than the delay, and so must its falling ones.
module DELAYG #(
    parameter DEL_MODE  = "USER_DEFINED",
    parameter DEL_VALUE = 0
) (
    input  A,
    output Z
);
  localparam STEP = 25;

  initial begin
    if (DEL_MODE != "USER_DEFINED") $fatal(1, "DELAYG: DEL_MODE %s has no model", DEL_MODE);
    if (DEL_VALUE < 0 || DEL_VALUE > 127) $fatal(1, "DELAYG: DEL_VALUE %0d", DEL_VALUE);
  end

  generate
    if (DEL_VALUE == 0) assign Z = A;
    else begin
      reg late = 0;
      assign Z = late;
      always @(posedge A) #(STEP * DEL_VALUE) late = 1;
      always @(negedge A) #(STEP * DEL_VALUE) late = 0;
    end
  endgenerate
endmodule
